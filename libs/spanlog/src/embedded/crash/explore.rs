//! What is left of each moment of a life, opened and checked.

use super::{
    history::{Answer, Event, PARTITIONS},
    life::Life,
    oracle::Oracle,
    sim::{Cut, Moment, State},
    subject::DISK_BOUND,
};

/// How thoroughly states are looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    /// Random power cuts for each moment.
    pub(super) scattered: usize,
    /// One state in so many is also opened twice, written to, and cut again.
    pub(super) lived_in: u32,
    /// One state in so many is opened by a process that stops within its recovery.
    pub(super) nested: u32,
}

/// Looks at states; counts them.
pub(super) struct Explorer {
    pub(super) effort: Effort,
    pub(super) random: fastrand::Rng,
    pub(super) opened: u64,
}

impl Explorer {
    pub(super) fn new(effort: Effort, seed: u64) -> Self {
        Self { effort, random: fastrand::Rng::with_seed(seed), opened: 0 }
    }

    /// Stops the machine at each moment of `life`, in each way.
    pub(super) fn all(&mut self, life: &Life) -> Result<(), String> {
        for moment in life.disk.moments() {
            self.moment(life, &moment, 0)?;
        }
        Ok(())
    }

    fn moment(&mut self, life: &Life, moment: &Moment, depth: u32) -> Result<(), String> {
        let events = &life.events[..moment.mark];
        let oracle = life.before.replay(events)?;
        let seed = self.random.u64(..);
        let cuts = Cut::all(moment.state.unsynced(), self.effort.scattered, seed);
        let at = |what: String, how: &str| {
            let event = events.last();
            format!("{what}\n  {how} before call {} at depth {depth} after {event:?}", moment.call)
        };
        self.state(moment.state.killed(), &oracle, life, depth)
            .map_err(|what| at(what, "killed"))?;
        for cut in cuts {
            let left = moment.state.cut(cut);
            self.state(left, &oracle, life, depth)
                .map_err(|what| at(what, &format!("power cut {cut:?}")))?;
        }
        Ok(())
    }

    /// Opens what is left and checks it.
    fn state(
        &mut self,
        left: State,
        oracle: &Oracle,
        life: &Life,
        depth: u32,
    ) -> Result<(), String> {
        self.opened += 1;
        let nested = depth < 2 && self.random.u32(..self.effort.nested.max(1)) == 0;
        let lived_in = self.random.u32(..self.effort.lived_in.max(1)) == 0;
        let mut next = Life::start(left, oracle.clone(), life.ids, life.latest.plus(1), nested)?;
        let used = next.disk.state().used();
        if used > DISK_BOUND {
            return Err(format!("{used} bytes are on the disk, {DISK_BOUND} is the bound"));
        }
        if nested {
            let moments = next.disk.moments();
            let one = self.random.usize(..moments.len());
            self.moment(&next, &moments[one], depth + 1)?;
        }
        if lived_in {
            live_on(&mut next)?;
        }
        Ok(())
    }
}

/// Opens the log once more, appends to each partition, and cuts the power.
pub(super) fn live_on(life: &mut Life) -> Result<(), String> {
    let first = opened(&life.events);
    life.open().map_err(|what| format!("opened twice: {what}"))?;
    let second = opened(&life.events);
    if first != second {
        return Err(format!("opening twice gives\n{first:?}\n{second:?}"));
    }
    for partition in 0..PARTITIONS {
        let record = life.spans(partition, 200);
        // A full log may refuse it.
        if !matches!(life.send_records(vec![record])?, Some(Answer::Done { .. })) {
            return Err("nothing can be appended".to_owned());
        }
    }
    let after = |what| format!("after appending: {what}");
    life.again(Some(Cut::None)).map(|_| ()).map_err(after)
}

fn opened(events: &[Event]) -> Option<String> {
    events.iter().rev().find_map(|event| match event {
        Event::Opened(seen) => Some(format!("{seen:?}")),
        _ => None,
    })
}
