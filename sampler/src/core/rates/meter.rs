//! What asks for budgets in one partition.

use std::collections::{BTreeMap, HashMap, VecDeque};

use wholetrace_proto::record::BudgetDemand;

use crate::policy::budget::{Asked, Budget};

/// How much the newest second counts in what is told of the last seconds: about ten of them.
const WEIGHT: f64 = 0.1;
/// How much it counts in what is expected, where nothing is foreseen.
const REST_WEIGHT: f64 = 0.5;
/// The same for a key, which may have a trace in a few seconds only.
const KEY_WEIGHT: f64 = 0.2;
/// Traces in a second beyond the usual ones that are no chance.
const BURST: f64 = 4.0;
/// More traces in a second than a key may have.
const MANY: f64 = 1e6;
/// Seconds after which a new owner knows enough by itself.
const SETTLED: u32 = 5;
/// Keys of a budget that a partition tells of, at most.
pub(super) const KEYS_TOLD: usize = 100;
/// Keys of a budget that are counted in a second, at most; what is beyond counts as rest.
const KEYS_COUNTED: usize = 10_000;
/// A key with less in a second is forgotten.
const FORGOTTEN: f64 = 0.02;

/// Demand, by key.
#[derive(Clone, Debug, Default)]
pub(super) struct ByKey {
    total: f64,
    traces: f64,
    keys: HashMap<u64, Amount>,
}

/// What asks, and in how many traces.
#[derive(Clone, Copy, Debug, Default)]
struct Amount {
    weight: f64,
    traces: f64,
}

impl ByKey {
    pub(super) fn add(&mut self, budget: &Budget, asked: &Asked) {
        // Sizes are far below what a float counts exactly.
        #[expect(clippy::cast_precision_loss, reason = "no trace has so many bytes")]
        let weight = asked.weight(budget.unit) as f64;
        self.total += weight;
        self.traces += 1.0;
        if budget.max_keys > 0
            && (self.keys.len() < KEYS_COUNTED || self.keys.contains_key(&asked.key))
        {
            let of_key = self.keys.entry(asked.key).or_default();
            of_key.weight += weight;
            of_key.traces += 1.0;
        }
    }
}

/// What has asked for one budget of late, and was kept.
#[derive(Debug, Default)]
pub(super) struct Meter {
    name: String,
    asked: ByKey,
    kept: f64,
    /// What was told to be expected of seconds that are not decided.
    foreseen: VecDeque<(u64, f64)>,
    /// Of the last seconds: asked, kept.
    averages: Average,
    /// Of the last seconds of which something was foreseen: asked, foreseen.
    compared: Average,
    /// Seconds that were closed since there was anything.
    closed: u32,
    /// What each key asks in a second, smoothed; and all of them, where nothing is foreseen.
    keys: BTreeMap<u64, Amount>,
    rest: Amount,
}

impl Meter {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn count(&mut self, budget: &Budget, asked: &Asked, kept: bool) {
        let before = self.asked.total;
        self.asked.add(budget, asked);
        if kept {
            self.kept += self.asked.total - before;
        }
    }

    /// Goes on from what the last owner has told.
    pub(super) fn go_on_from(&mut self, told: &BudgetDemand) {
        if self.closed <= SETTLED && told.asked > 0.0 {
            self.averages = Average::of([told.asked, told.kept].map(f64::from));
            self.compared = Average::of([told.asked, told.foreseen].map(f64::from));
            // How many traces it was in is not told: soon it is known.
            let amount = |told: f32| Amount { weight: f64::from(told), traces: MANY };
            self.keys =
                told.keys.iter().copied().zip(told.expected.iter().copied().map(amount)).collect();
            self.rest = amount(told.rest);
        }
    }

    /// Forgets what was counted, because it was counted before.
    pub(super) fn discard(&mut self) {
        (self.asked, self.kept) = (ByKey::default(), 0.0);
    }

    /// Forgets all that was counted of late.
    pub(super) fn reset(&mut self) {
        *self = Self::new(&self.name);
    }

    /// The second number `second` is decided. Tells whether what it has is told ahead, where
    /// `foresees`.
    pub(super) fn close(&mut self, second: u64, foresees: bool) {
        let asked = std::mem::take(&mut self.asked);
        let kept = std::mem::take(&mut self.kept);
        let mut foreseen = None;
        while self.foreseen.front().is_some_and(|(of, _)| *of <= second) {
            foreseen = self.foreseen.pop_front().filter(|(of, _)| *of == second);
        }
        let total = asked.total;
        if !foresees {
            self.follow(asked);
        }
        if self.closed == 0 && self.averages.seconds == 0.0 {
            // The first that has anything may have begun in the middle of it.
            self.closed = u32::from(total > 0.0);
            return;
        }
        self.closed = self.closed.saturating_add(1);
        self.averages.take([total, kept]);
        if let Some((_, foreseen)) = foreseen.filter(|_| foresees) {
            self.compared.take([total, foreseen]);
        }
    }

    /// What to tell of the second number `second`, of which `foreseen` is known, if that can be.
    pub(super) fn tell(
        &mut self,
        second: u64,
        foreseen: Option<ByKey>,
        max_keys: u16,
    ) -> BudgetDemand {
        if let Some(foreseen) = foreseen {
            if max_keys == 0 {
                self.rest.weight = foreseen.total;
            } else {
                self.follow(foreseen);
            }
        }
        let mut keys: Vec<(u64, f64)> =
            self.keys.iter().map(|(key, one)| (*key, one.weight)).collect();
        let told = KEYS_TOLD.min(usize::from(max_keys));
        keys.sort_by(|(a, asks), (b, more)| more.total_cmp(asks).then(a.cmp(b)));
        let beyond: f64 = keys.iter().skip(told).map(|(_, one)| one).sum();
        keys.truncate(told);
        keys.sort_unstable_by_key(|(key, _)| *key);
        let expected = keys.iter().map(|(_, one)| one).sum::<f64>() + beyond + self.rest.weight;
        self.foreseen.push_back((second, expected));
        let [asked, kept] = self.averages.of;
        // In proportion to all that has asked.
        let [came, foreseen] = self.compared.of;
        let foreseen = if came > 0.0 { asked * foreseen / came } else { asked };
        BudgetDemand {
            name: self.name.clone(),
            rest: narrow(beyond + self.rest.weight),
            keys: keys.iter().map(|(key, _)| *key).collect(),
            expected: keys.iter().map(|(_, one)| narrow(*one)).collect(),
            asked: narrow(asked),
            foreseen: narrow(foreseen),
            kept: narrow(kept),
        }
    }

    /// Smooths what has asked or is expected in a second.
    fn follow(&mut self, newest: ByKey) {
        let of_keys = newest.keys.values().fold(Amount::default(), |all, one| Amount {
            weight: all.weight + one.weight,
            traces: all.traces + one.traces,
        });
        let rest = Amount {
            weight: newest.total - of_keys.weight,
            traces: newest.traces - of_keys.traces,
        };
        for (key, average) in &mut self.keys {
            average.follow(newest.keys.get(key).copied().unwrap_or_default(), KEY_WEIGHT);
        }
        for (key, one) in newest.keys {
            self.keys.entry(key).or_insert_with(|| {
                let mut new = Amount::default();
                new.follow(one, KEY_WEIGHT);
                new
            });
        }
        self.keys.retain(|_, average| average.weight >= FORGOTTEN);
        if self.keys.len() > KEYS_COUNTED {
            // Those with the least go first.
            let mut all: Vec<f64> = self.keys.values().map(|one| one.weight).collect();
            all.sort_by(f64::total_cmp);
            let least = all.get(all.len() - KEYS_COUNTED).copied().unwrap_or_default();
            self.keys.retain(|_, average| average.weight > least);
        }
        self.rest.follow(rest, REST_WEIGHT);
    }
}

/// Two numbers of the last seconds.
#[derive(Debug, Default)]
struct Average {
    of: [f64; 2],
    /// Seconds that are in it.
    seconds: f64,
}

impl Average {
    /// One that goes on from these.
    const fn of(of: [f64; 2]) -> Self {
        Self { of, seconds: 1.0 / WEIGHT }
    }

    /// Takes the newest second in. The first ones count alike.
    fn take(&mut self, newest: [f64; 2]) {
        self.seconds = (self.seconds + 1.0).min(1.0 / WEIGHT);
        for (average, newest) in self.of.iter_mut().zip(newest) {
            *average += (newest - *average) / self.seconds;
        }
    }
}

impl Amount {
    /// Moves on towards the newest; at once where that is more than chance has it.
    fn follow(&mut self, newest: Self, weight: f64) {
        let most = self.traces.max(4.0 * self.traces.sqrt()) + self.traces + BURST;
        if newest.traces > most {
            *self = newest;
        } else {
            self.weight += weight * (newest.weight - self.weight);
            self.traces += weight * (newest.traces - self.traces);
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "seven digits are enough")]
const fn narrow(demand: f64) -> f32 {
    // What is beyond is no demand of this world, and no record may say infinity.
    demand.clamp(0.0, f32::MAX as f64) as f32
}
