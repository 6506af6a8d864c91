//! Open files: every connection is one, and the log and the exporters need theirs.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors left for everything that is not a connection of a sender.
const RESERVED: u64 = 1_024;

/// How many connections there may be if `wanted` are wanted. Raises the process's own limit of
/// open files as far as it may be raised.
pub(crate) fn connections(wanted: u32) -> u32 {
    let needed = u64::from(wanted).saturating_add(RESERVED);
    let limit = getrlimit(Resource::Nofile);
    let mut allowed = limit.current.unwrap_or(u64::MAX);
    if allowed < needed {
        let raised = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
        let new = Rlimit { current: Some(raised), maximum: limit.maximum };
        if raised > allowed && setrlimit(Resource::Nofile, new).is_ok() {
            allowed = raised;
        }
    }
    // Where even the reserve is not there, half is a fair share.
    let room = allowed.saturating_sub(RESERVED).max(allowed / 2).max(1);
    u32::try_from(room).unwrap_or(u32::MAX).min(wanted)
}
