//! Traffic that is spread unevenly, and in another way every now and then.

use fastrand::Rng;

use super::world::{Owners, Traffic};

/// Seconds of a run.
pub(super) const SECONDS: u64 = 200;

/// A fleet with hot spots that move, and owners that go.
#[derive(Debug)]
pub(super) struct Skew {
    partitions: usize,
    phases: Vec<Phase>,
    heavy: f64,
    away: Vec<(Vec<usize>, u64, u64)>,
}

/// Traffic that stays as it is up to a second.
#[derive(Clone, Debug)]
struct Phase {
    until: u64,
    /// Traces in a second, in all partitions.
    rate: f64,
    /// Partitions that share half of them or more.
    hot: Vec<usize>,
    share: f64,
}

impl Skew {
    /// One that the seed makes, in which partitions have no owner for less than so many seconds, and
    /// more spans come in a second than the `goal`.
    pub(super) fn of(seed: u64, longest: u64, goal: f64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let partitions = [4, 8, 16, 32][rng.usize(..4)];
        let heavy = [0.0, 0.01, 0.02][rng.usize(..3)];
        let (mut phases, mut until) = (Vec::new(), 0);
        while until < SECONDS {
            until += rng.u64(8..60);
            phases.push(Phase {
                until,
                // One and a half to eight times what is kept.
                rate: goal / 9.0 * (1.5 + 6.5 * rng.f64()),
                hot: (0..rng.usize(1..3)).map(|_| rng.usize(..partitions)).collect(),
                share: 0.3 + 0.6 * rng.f64(),
            });
        }
        let mut away = Vec::new();
        let mut begin = 20;
        loop {
            begin += rng.u64(5..60);
            let end = begin + rng.u64(1..longest);
            if end >= SECONDS - 10 {
                break;
            }
            let of_owner = |one: &usize| one.is_multiple_of(3);
            let owner = rng.usize(..partitions);
            let who = (0..partitions).filter(|one| of_owner(&(one + owner))).collect();
            away.push((who, begin, end));
            begin = end;
        }
        Self { partitions, phases, heavy, away }
    }

    pub(super) fn partitions(&self) -> usize {
        self.partitions
    }

    pub(super) fn traffic(&self) -> Traffic {
        let (phases, partitions) = (self.phases.clone(), self.partitions);
        let rate = move |partition: usize, second: u64| {
            let phase = phases.iter().find(|phase| second < phase.until);
            phase.map_or(0.0, |Phase { rate, hot, share, .. }| {
                let is_hot = hot.iter().filter(|one| **one == partition).count() as f64;
                rate * (share * is_hot / hot.len() as f64 + (1.0 - share) / partitions as f64)
            })
        };
        Traffic { rate: Box::new(rate), mean: 8.0, heavy: self.heavy, keys: 1 }
    }

    pub(super) fn owners(&self) -> Owners {
        Owners { away: self.away.clone() }
    }
}
