//! What the decision log says of budgets: thresholds, and how much asks for them.

use prost::Message;

use crate::{
    record::{
        claim::{Claim, VERSION},
        error::{RecordError, threshold},
    },
    tracestate::Threshold,
    wire::{put_bytes, put_fixed64, put_uint},
};

/// Budgets that a record may speak of, at most.
pub const BUDGETS_MAX: usize = 1_024;
/// Keys that a record may tell of a budget, at most.
pub const KEYS_MAX: usize = 4_096;

/// The thresholds of all budgets of a partition, from a time on.
#[derive(Clone, PartialEq, Message)]
pub struct RateChange {
    /// Traces are decided by them whose time is up then or later, up to the next change:
    /// milliseconds since the Unix epoch, in the time of the span log.
    #[prost(uint64, tag = "1")]
    pub from_ms: u64,
    /// The budgets.
    #[prost(message, repeated, tag = "2")]
    pub budgets: Vec<BudgetRates>,
    /// How many partitions were heard of.
    #[prost(uint32, tag = "3")]
    pub partitions: u32,
}

/// The thresholds of one budget.
#[derive(Clone, PartialEq, Message)]
pub struct BudgetRates {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The threshold of all keys that are not told: 0 always keeps, 2^56 never.
    #[prost(uint64, tag = "2")]
    pub rest: u64,
    /// Keys, ascending.
    #[prost(fixed64, repeated, tag = "3")]
    pub keys: Vec<u64>,
    /// The threshold of each key.
    #[prost(uint64, repeated, tag = "4")]
    pub thresholds: Vec<u64>,
}

/// What asks for the budgets in one partition.
#[derive(Clone, PartialEq, Message)]
pub struct PartitionDemand {
    /// The partition.
    #[prost(uint32, tag = "1")]
    pub partition: u32,
    /// The second that is expected, since the Unix epoch in the time of the span log.
    #[prost(uint64, tag = "2")]
    pub second: u64,
    /// The budgets.
    #[prost(message, repeated, tag = "3")]
    pub budgets: Vec<BudgetDemand>,
}

/// What asks for one budget in one partition, in units in a second.
#[derive(Clone, PartialEq, Message)]
pub struct BudgetDemand {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// What is expected of the keys that are not told.
    #[prost(float, tag = "2")]
    pub rest: f32,
    /// Keys, ascending.
    #[prost(fixed64, repeated, tag = "3")]
    pub keys: Vec<u64>,
    /// What is expected of each key.
    #[prost(float, repeated, tag = "4")]
    pub expected: Vec<f32>,
    /// What has asked of late.
    #[prost(float, tag = "5")]
    pub asked: f32,
    /// What was expected of that.
    #[prost(float, tag = "6")]
    pub foreseen: f32,
    /// What was kept of it.
    #[prost(float, tag = "7")]
    pub kept: f32,
}

/// Writes the record by which the owner that holds `claim` changes the thresholds.
#[must_use]
pub fn encode_rates(claim: Option<Claim>, change: &RateChange) -> Vec<u8> {
    let mut out = Vec::with_capacity(change.encoded_len() + 40);
    put_uint(&mut out, 6, u64::from(VERSION));
    if let Some(claim) = claim {
        put_uint(&mut out, 4, claim.term);
        put_fixed64(&mut out, 5, claim.owner);
    }
    put_bytes(&mut out, 7, &change.encode_to_vec());
    out
}

/// Writes the record that tells what asks for budgets. It has no claim: it counts in every
/// partition of the log, and decides nothing.
#[must_use]
pub fn encode_demand<'a>(demands: impl IntoIterator<Item = &'a PartitionDemand>) -> Vec<u8> {
    let mut out = Vec::new();
    put_uint(&mut out, 6, u64::from(VERSION));
    for demand in demands {
        put_bytes(&mut out, 8, &demand.encode_to_vec());
    }
    out
}

impl RateChange {
    pub(super) fn read(body: &[u8]) -> Result<Self, RecordError> {
        let change = Self::decode(body)?;
        bound("budgets", change.budgets.len(), BUDGETS_MAX)?;
        for budget in &change.budgets {
            keys(&budget.keys, budget.thresholds.len())?;
            for one in budget.thresholds.iter().chain([&budget.rest]) {
                self::threshold(*one)?;
            }
        }
        Ok(change)
    }
}

impl BudgetRates {
    /// The threshold for the traces of a key.
    #[must_use]
    pub fn threshold(&self, key: u64) -> Threshold {
        let of_key = self.keys.binary_search(&key).ok().and_then(|at| self.thresholds.get(at));
        Threshold::new(*of_key.unwrap_or(&self.rest)).unwrap_or(Threshold::NEVER)
    }
}

impl PartitionDemand {
    pub(super) fn read(body: &[u8]) -> Result<Self, RecordError> {
        let demand = Self::decode(body)?;
        bound("budgets", demand.budgets.len(), BUDGETS_MAX)?;
        for budget in &demand.budgets {
            keys(&budget.keys, budget.expected.len())?;
            let totals = [budget.rest, budget.asked, budget.foreseen, budget.kept];
            if !budget.expected.iter().chain(&totals).all(|one| one.is_finite() && *one >= 0.0) {
                return Err(RecordError::Demand);
            }
        }
        Ok(demand)
    }
}

fn keys(keys: &[u64], values: usize) -> Result<(), RecordError> {
    bound("keys", keys.len(), KEYS_MAX)?;
    // As many values as keys.
    bound("values", values, keys.len())?;
    bound("keys", keys.len(), values)?;
    if keys.is_sorted_by(|a, b| a < b) { Ok(()) } else { Err(RecordError::Unsorted) }
}

fn bound(field: &'static str, count: usize, max: usize) -> Result<(), RecordError> {
    if count <= max {
        return Ok(());
    }
    Err(RecordError::Bound { field, value: count as u64, max: max as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::DecisionBatch;

    fn change() -> RateChange {
        let rates = |name: &str, keys: &[u64]| BudgetRates {
            name: name.into(),
            rest: 1 << 55,
            keys: keys.to_vec(),
            thresholds: keys.iter().map(|key| key << 8).collect(),
        };
        RateChange {
            from_ms: 1_760_000_001_000,
            budgets: vec![rates("a", &[]), rates("b", &[3, 7])],
            partitions: 16,
        }
    }

    fn demand(expected: f32) -> PartitionDemand {
        let budget = BudgetDemand {
            name: "a".into(),
            rest: 2.5,
            keys: vec![1, 9],
            expected: vec![expected, 0.25],
            asked: 3.0,
            foreseen: 2.0,
            kept: 1.0,
        };
        PartitionDemand { partition: 3, second: 1_760_000_003, budgets: vec![budget] }
    }

    #[test]
    fn thresholds_and_demand_read_back() {
        let claim = Some(Claim { term: 3, owner: 9 });
        let record = encode_rates(claim, &change());
        let batch = DecisionBatch::read(&record).unwrap();
        assert_eq!((batch.claim(), batch.len()), (claim, 0));
        assert_eq!(batch.rates().collect::<Vec<_>>(), [change()]);
        let rates = &change().budgets[1];
        let of = |key| rates.threshold(key).get();
        assert_eq!([of(3), of(7), of(8)], [3 << 8, 7 << 8, 1 << 55]);

        let record = encode_demand([&demand(1.0), &demand(2.0)]);
        let batch = DecisionBatch::read(&record).unwrap();
        assert_eq!(batch.claim(), None);
        assert_eq!(batch.demands().collect::<Vec<_>>(), [demand(1.0), demand(2.0)]);
    }

    #[test]
    fn what_they_must_not_say_is_refused() {
        let read = |record: Vec<u8>| DecisionBatch::read(&record).map(|batch| batch.len());
        for wrong in [f32::NAN, f32::INFINITY, -1.0] {
            assert_eq!(read(encode_demand([&demand(wrong)])), Err(RecordError::Demand));
        }
        let mut unsorted = change();
        unsorted.budgets[1].keys.reverse();
        assert_eq!(read(encode_rates(None, &unsorted)), Err(RecordError::Unsorted));
        let mut high = change();
        high.budgets[0].rest = u64::MAX;
        assert!(matches!(read(encode_rates(None, &high)), Err(RecordError::Bound { .. })));
        let mut few = change();
        few.budgets[1].thresholds.pop();
        assert!(matches!(read(encode_rates(None, &few)), Err(RecordError::Bound { .. })));
        let mut record = Vec::new();
        put_bytes(&mut record, 7, &[0xff]);
        assert!(matches!(read(record), Err(RecordError::Message(_))));
    }
}
