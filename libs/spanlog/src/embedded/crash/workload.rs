//! Short workloads: a few steps, each of which touches another part of the log.

use super::{history::Answer, life::Life, oracle::Oracle, sim::State};
use crate::position::LogTime;

/// A step of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A small frame.
    Small,
    /// Two frames that are three pages together.
    Pages,
    /// Frames until another segment begins.
    Roll,
    /// A checkpoint in the middle.
    Commit,
    /// Checkpoints at the end: all segments but the newest are finished.
    Free,
    /// Frames until freed slots are overwritten.
    Reuse,
    /// The proof that the last group is durable.
    Seal,
    /// The process is killed and started again.
    Reopen,
}

impl Step {
    pub(super) const ALL: [Self; 8] = [
        Self::Small,
        Self::Pages,
        Self::Roll,
        Self::Commit,
        Self::Free,
        Self::Reuse,
        Self::Seal,
        Self::Reopen,
    ];

    /// All sequences of up to `longest` steps.
    pub(super) fn sequences(longest: usize) -> Vec<Vec<Self>> {
        let mut all: Vec<Vec<Self>> = Vec::new();
        let mut last: Vec<Vec<Self>> = vec![Vec::new()];
        for _ in 0..longest {
            last = last
                .iter()
                .flat_map(|steps| Self::ALL.map(|step| [steps.as_slice(), &[step]].concat()))
                .collect();
            all.extend(last.iter().cloned());
        }
        all
    }

    /// Does it. Nothing fails here: an answer that is no position is wrong.
    pub(super) fn run(self, life: &mut Life) -> Result<(), String> {
        let partition = life.ids % 2;
        let answer = match self {
            Self::Small => {
                let record = life.spans(partition, 100);
                life.send_records(vec![record])?
            }
            Self::Pages => {
                let records = vec![life.spans(partition, 7_000), life.spans(1 - partition, 1_500)];
                life.send_records(records)?
            }
            Self::Roll => return roll(life),
            Self::Commit => life.finish(1)?,
            Self::Free => {
                expect_stored(life.finish(0)?)?;
                return life.free();
            }
            Self::Reuse => {
                for _ in 0..2 {
                    roll(life)?;
                    expect_stored(life.finish(0)?)?;
                    life.free()?;
                }
                return Ok(());
            }
            Self::Seal => return life.seal(),
            Self::Reopen => return life.open(),
        };
        expect_stored(answer)
    }
}

/// A log with free slots beyond the reserve, and a segment that has begun.
pub(super) fn prepared(seed: u64) -> Result<Life, String> {
    let mut life = Life::start(State::new(seed), Oracle::default(), 0, LogTime(1_000), false)?;
    for _ in 0..3 {
        roll(&mut life)?;
    }
    expect_stored(life.finish(0)?)?;
    life.free()?;
    life.seal()?;
    Step::Pages.run(&mut life)?;
    Ok(life)
}

/// Two groups of which a segment holds only one.
pub(super) fn roll(life: &mut Life) -> Result<(), String> {
    for _ in 0..2 {
        let records = (0..2).map(|partition| life.spans(partition, 7_000)).collect();
        expect_stored(life.send_records(records)?)?;
    }
    Ok(())
}

pub(super) fn expect_stored(answer: Option<Answer>) -> Result<(), String> {
    match answer {
        Some(answer) if answer.is_complete() => Ok(()),
        other => Err(format!("not stored, though nothing failed: {other:?}")),
    }
}
