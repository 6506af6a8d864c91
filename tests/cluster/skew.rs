//! Trace ids that a few partitions get most of.

use std::{fmt::Write as _, fs, ops::Range, path::PathBuf};

use wholetrace_proto::id::TraceId;
use wholetrace_spanlog::routing::Routing;
use wholetrace_spanlog_kafka::descriptor;

use super::{decisions::config, fleet::Fleet};

/// A time in which some partitions are hot.
pub(crate) struct Phase {
    /// The numbers of the traces that begin in it.
    pub(crate) traces: Range<u64>,
    /// The partitions that are hot: they take turns.
    pub(crate) hot: Vec<u32>,
    /// Whether the trace with a number belongs to one of them.
    pub(crate) is_hot: fn(u64) -> bool,
}

/// The mapping of traces to partitions that a fleet has agreed on.
pub(crate) fn routing(fleet: &Fleet, brokers: &str) -> Routing {
    let config = config(fleet, brokers);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let stored = runtime.block_on(descriptor::stored(&config)).expect("the brokers answer");
    Routing::new(stored.expect("the topics were created")).expect("a mapping")
}

/// Writes a file of trace ids: those of a phase that are hot belong to its hot partitions, all others
/// to whichever chance has. Otherwise they are random.
pub(crate) fn write_ids(
    fleet: &Fleet,
    routing: &Routing,
    phases: &[Phase],
    rng: &mut fastrand::Rng,
) -> PathBuf {
    let mut text = String::new();
    for Phase { traces, hot, is_hot } in phases {
        let mut turns = hot.iter().copied().cycle();
        for number in traces.clone() {
            let wanted = turns.next().filter(|_| is_hot(number));
            let id = loop {
                let id = rng.u128(1..);
                let partition = routing.partition(TraceId(id.to_be_bytes()).key().0).0;
                if wanted.is_none_or(|wanted| partition == wanted) {
                    break id;
                }
            };
            let _ = writeln!(text, "{id:032x}");
        }
    }
    let path = fleet.folder.path().join("ids");
    fs::write(&path, text).expect("the ids");
    path
}
