//! The price of the sampler's core: from frames of the span log to batches of kept spans, with
//! everything between them except the log itself.

#![expect(clippy::unwrap_used, reason = "what is written below is right")]
#![expect(clippy::print_stdout, reason = "a bench says what it measures")]

use std::{collections::VecDeque, hint::black_box, sync::Arc};

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use wholetrace_exporter::contract::{Outcome, Settled};
use wholetrace_proto::{
    otlp::numbers::{
        any_value, key_value, resource, resource_spans, scope_spans, span, traces_data,
    },
    wire::{put_bytes, put_fixed64, put_uint},
};
use wholetrace_runtime::{budget::ByteBudget, problems::Problems};
use wholetrace_sampler::{
    core::partition::{Bounds, Effect, Input, PartitionState, ReadFrame, Settings},
    policy::{PolicySet, Recording, TailSamplingConfig},
};
use wholetrace_spanlog::{Frame, LogTime, Partition, Position, RecordKind};

/// Frames of 256 KiB, 25 ms apart: 24,000 spans a second.
const FRAMES: usize = 800;
const SPANS_PER_FRAME: usize = 600;
const MILLIS_PER_FRAME: u64 = 25;
const DECISION_WAIT: u32 = 10_000;
/// Traces that are under way at a time, of 1 to 48 spans.
const ACTIVE: usize = 600;
const SERVICES: usize = 8;

/// A trace that has some spans to come.
struct Active {
    id: u128,
    left: u32,
    start: u64,
}

struct Traffic {
    rng: fastrand::Rng,
    active: Vec<Active>,
}

impl Traffic {
    fn new() -> Self {
        let mut traffic = Self { rng: fastrand::Rng::with_seed(1), active: Vec::new() };
        for _ in 0..ACTIVE {
            let trace = traffic.trace();
            traffic.active.push(trace);
        }
        traffic
    }

    fn trace(&mut self) -> Active {
        Active {
            id: self.rng.u128(..),
            left: self.rng.u32(1..=48),
            start: 1_700_000_000_000_000_000,
        }
    }

    fn frame(&mut self) -> Bytes {
        let mut out = Vec::new();
        for service in 0..SERVICES {
            let mut scope = Vec::new();
            put_bytes(&mut scope, scope_spans::SCOPE, b"\x0a\x0bhttp-client\x12\x051.2.3");
            for _ in 0..SPANS_PER_FRAME / SERVICES {
                let span = self.span();
                put_bytes(&mut scope, scope_spans::SPANS, &span);
            }
            let mut resource = Vec::new();
            for (name, value) in [
                ("service.name", format!("service-{service}")),
                ("service.version", "2026.11.3".to_owned()),
                ("host.name", format!("node-{service}.example.org")),
                ("telemetry.sdk.language", "go".to_owned()),
            ] {
                put_bytes(&mut resource, resource::ATTRIBUTES, &attribute(name, &value));
            }
            let mut spans = Vec::new();
            put_bytes(&mut spans, resource_spans::RESOURCE, &resource);
            put_bytes(&mut spans, resource_spans::SCOPE_SPANS, &scope);
            put_bytes(&mut out, traces_data::RESOURCE_SPANS, &spans);
        }
        out.into()
    }

    fn span(&mut self) -> Vec<u8> {
        let which = self.rng.usize(..self.active.len());
        let (id, root) = (self.active[which].id, self.active[which].left == 1);
        let start = self.active[which].start + self.rng.u64(..200_000_000);
        self.active[which].left -= 1;
        if self.active[which].left == 0 {
            self.active[which] = self.trace();
        }
        let mut out = Vec::new();
        put_bytes(&mut out, span::TRACE_ID, &id.to_be_bytes());
        put_bytes(&mut out, span::SPAN_ID, &self.rng.u64(1..).to_be_bytes());
        if !root {
            put_bytes(&mut out, span::PARENT_SPAN_ID, &self.rng.u64(1..).to_be_bytes());
        }
        put_bytes(&mut out, span::NAME, b"GET /api/v1/orders/{order_id}");
        put_uint(&mut out, span::KIND, 2);
        put_fixed64(&mut out, span::START_TIME_UNIX_NANO, start);
        put_fixed64(&mut out, span::END_TIME_UNIX_NANO, start + self.rng.u64(..50_000_000));
        for (name, value) in [
            ("http.request.method", "GET"),
            ("http.response.status_code", "200"),
            ("http.route", "/api/v1/orders/{order_id}"),
            ("url.full", "https://shop.example.org/api/v1/orders/8c5e1f6a2d"),
            ("server.address", "shop.example.org"),
            ("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101"),
        ] {
            put_bytes(&mut out, span::ATTRIBUTES, &attribute(name, value));
        }
        out
    }
}

fn attribute(name: &str, value: &str) -> Vec<u8> {
    let (mut any, mut out) = (Vec::new(), Vec::new());
    put_bytes(&mut any, any_value::STRING_VALUE, value.as_bytes());
    put_bytes(&mut out, key_value::KEY, name.as_bytes());
    put_bytes(&mut out, key_value::VALUE, &any);
    out
}

fn policies() -> Arc<PolicySet> {
    let config: TailSamplingConfig = serde_json::from_value(serde_json::json!({
        "decision_wait": "10s",
        "policies": [
            { "name": "errors", "type": "status_code",
              "status_code": { "status_codes": ["ERROR"] } },
            { "name": "tenth", "type": "probabilistic",
              "probabilistic": { "sampling_percentage": 10 } },
        ],
    }))
    .unwrap();
    Arc::new(PolicySet::compile(&config, "tail_sampling", &mut Problems::new()).unwrap())
}

fn settings() -> Settings {
    Settings {
        owner: 1,
        epoch: 0,
        partition: Partition(0),
        exporters: vec!["otlp".to_owned()],
        decision_wait: DECISION_WAIT,
        decision_wait_after_root: 0,
        decision_retention: 3_600_000,
        bounds: Bounds {
            max_decisions: 1_000_000,
            max_open_traces: 1_000_000,
            max_recent_spans: 200_000,
            max_unfinished_bytes: 64 << 20,
            refetch_bytes: 1 << 20,
        },
        read_ahead: 20_000,
        max_piece_bytes: 1 << 20,
        stopwatch: None,
        recording: Recording::default(),
        hash_seed: 0x5eed,
    }
}

/// A partition with a log and a backend that never make it wait.
struct Loop {
    state: PartitionState,
    effects: Vec<Effect>,
    decisions: VecDeque<Frame>,
    next_decision: u64,
    kept: u64,
}

impl Loop {
    fn step(&mut self, input: Input) {
        self.state.step(input, &mut self.effects);
        while !self.effects.is_empty() {
            let mut settled = Vec::new();
            for effect in self.effects.drain(..) {
                match effect {
                    Effect::AppendDecisions(payload) => {
                        let (position, kind) =
                            (Position(self.next_decision), RecordKind::Decisions);
                        self.next_decision += 1;
                        let time = LogTime(0);
                        self.decisions.push_back(Frame { position, time, kind, epoch: 0, payload });
                    }
                    Effect::Export { exporter, kept } => {
                        self.kept += u64::from(kept.spans);
                        let outcome = Outcome::Delivered;
                        settled.push(Settled { exporter, ticket: black_box(kept).ticket, outcome });
                    }
                    Effect::Decided(made) => _ = black_box(made),
                    other => unreachable!("{other:?}"),
                }
            }
            self.state.step(Input::Settled(settled), &mut self.effects);
            let decisions = self.decisions.drain(..).collect();
            self.state.step(Input::Decisions(decisions), &mut self.effects);
        }
        while self.state.has_more_work() {
            self.state.step(Input::Continue, &mut self.effects);
        }
    }

    fn run(frames: &[Frame], policies: &Arc<PolicySet>, cache: &ByteBudget) -> Self {
        let mut this = Self {
            state: PartitionState::new(settings(), Arc::clone(policies), None),
            effects: Vec::new(),
            decisions: VecDeque::new(),
            next_decision: 0,
            kept: 0,
        };
        for few in frames.chunks(4) {
            let leased = few.iter().cloned().map(|frame| {
                let lease = cache.try_lease(frame.payload.len());
                ReadFrame { frame, lease }
            });
            this.step(Input::Frames(leased.collect()));
        }
        black_box(this.state.checkpoint());
        this
    }
}

fn core(c: &mut Criterion) {
    let mut traffic = Traffic::new();
    let mut frames: Vec<Frame> = (0..FRAMES as u64)
        .map(|number| Frame {
            position: Position(number),
            time: LogTime(1_000_000 + number * MILLIS_PER_FRAME),
            kind: RecordKind::Spans,
            epoch: 0,
            payload: traffic.frame(),
        })
        .collect();
    // Two waits of silence at the end, so that all is decided and released.
    frames.extend((0..2).map(|number| Frame {
        position: Position(FRAMES as u64 + number),
        time: LogTime(2_000_000 + number * u64::from(DECISION_WAIT)),
        kind: RecordKind::Tick,
        epoch: 0,
        payload: Bytes::new(),
    }));
    let spans = FRAMES * SPANS_PER_FRAME;
    let bytes: usize = frames.iter().map(|frame| frame.payload.len()).sum();
    let (policies, cache) = (policies(), ByteBudget::new("window_cache", 1 << 30));
    let once = Loop::run(&frames, &policies, &cache);
    println!("{spans} spans of {} bytes, {} kept", bytes / spans, once.kept);
    let mut group = c.benchmark_group("core");
    group.throughput(Throughput::Elements(spans as u64)).sample_size(10);
    group.bench_function("frames to kept batches, 10 % kept", |b| {
        b.iter_batched(
            || (),
            |()| Loop::run(&frames, &policies, &cache).kept,
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, core);
criterion_main!(benches);
