//! What it takes here: translated, checked, split by partition and joined to frames, on one thread.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use bytes::Bytes;
use wholetrace_gateway::{Split, frames, split_checked};
use wholetrace_proto::{
    jaeger::{api_v2, thrift},
    translated::Limits,
    zipkin::{self, Encoding, Envelope},
};
use wholetrace_spanlog::routing::{Descriptor, Routing};

use crate::{SPANS, requests};

/// A protocol, with a name that the Collector's program knows, too.
pub(crate) struct Protocol {
    pub(crate) name: &'static str,
    pub(crate) request: fn(u32) -> Vec<u8>,
    translate: fn(&[u8]) -> Vec<u8>,
}

pub(crate) const PROTOCOLS: [Protocol; 5] = [
    Protocol {
        name: "zipkin-json",
        request: requests::zipkin_json,
        translate: |request| of_zipkin(request, Encoding::Json),
    },
    Protocol {
        name: "zipkin-protobuf",
        request: requests::zipkin_protobuf,
        translate: |request| of_zipkin(request, Encoding::Protobuf),
    },
    Protocol {
        name: "zipkin-thrift",
        request: requests::zipkin_thrift,
        translate: |request| of_zipkin(request, Encoding::Thrift),
    },
    Protocol {
        name: "jaeger-protobuf",
        request: requests::jaeger_protobuf,
        translate: |request| {
            api_v2::to_protobuf(request, &mut Limits::default()).expect("a request").bytes
        },
    },
    Protocol {
        name: "jaeger-thrift",
        request: requests::jaeger_thrift,
        translate: |request| {
            thrift::to_protobuf(request, &mut Limits::default()).expect("a batch").bytes
        },
    },
];

fn of_zipkin(request: &[u8], encoding: Encoding) -> Vec<u8> {
    let envelope = Envelope { encoding, debug: false };
    zipkin::to_protobuf(request, envelope, &mut Limits::default()).expect("a request").bytes
}

/// Requests that share frames, as they do under load.
const TOGETHER: usize = 8;

/// CPU seconds per million spans, measured for about `time`.
pub(crate) fn measure(protocol: &Protocol, time: Duration) -> f64 {
    let routing =
        Routing::new(Descriptor { epoch: 1, seed: 7, partitions: 16 }).expect("a mapping");
    let request = (protocol.request)(SPANS);
    let receive = || {
        let splits: Vec<Split> = (0..TOGETHER)
            .map(|_| {
                let otlp = Bytes::from((protocol.translate)(black_box(&request)));
                split_checked(otlp, &routing, 1 << 20, None).expect("a request")
            })
            .collect();
        let splits: Vec<&Split> = splits.iter().collect();
        frames(black_box(&splits), 256 << 10).map(black_box).count()
    };
    assert!(receive() > 0, "frames");
    let (mut spans, begun, before) = (0_u64, Instant::now(), cpu());
    while begun.elapsed() < time {
        for _ in 0..16 {
            receive();
            spans += TOGETHER as u64 * u64::from(SPANS);
        }
    }
    (cpu() - before).as_secs_f64() / spans as f64 * 1e6
}

/// CPU time of this process, user and system, to a hundredth of a second.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks = fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number"));
    Duration::from_millis(ticks.sum::<u64>() * 10)
}
