//! Batches of decisions.

use crate::{
    id::TraceKey,
    record::{
        budgets::{PartitionDemand, RateChange},
        claim::{Claim, VERSION},
        error::{POLICIES_MAX, RecordError, bounded, text, threshold},
        numbers::Numbers,
        policy_bits::PolicyBits,
    },
    tracestate::Threshold,
    wire::{
        Cursor, Value, delimited_len, put_bytes, put_delimited_head, put_fixed64, put_uint,
        varint_len,
    },
};

const DECISION: &str = "Decision";
const BATCH: &str = "DecisionBatch";

/// The verdict on one trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The trace.
    pub key: TraceKey,
    /// When its first span came into the log, in milliseconds since the Unix epoch.
    pub first_seen_ms: u64,
    /// When it was decided, in the time of the log: milliseconds since the Unix epoch, not before
    /// `first_seen_ms`.
    pub decided_at_ms: u64,
    /// Whether the trace is kept.
    pub kept: bool,
    /// The randomness from which on it is kept.
    pub threshold: Threshold,
    /// Whether the threshold says what the probability of being kept was.
    pub probability_known: bool,
    /// Whether the threshold was compared with a randomness that spans of the trace state, not with
    /// the one in its id.
    pub stated_randomness: bool,
    /// The policy that decided: an index into the batch's policies.
    pub policy: u16,
    /// The policy within a composite one that kept the trace, where that is told.
    pub sub_policy: Option<SubPolicy>,
    /// The other policies that said yes to the trace.
    pub also: PolicyBits,
    /// The policies that said yes, and are tried only: nobody obeys them.
    pub shadow: PolicyBits,
    /// Whether all that was seen of the trace ended so long before it came into the log that a
    /// decision about the rest of it may have been forgotten.
    pub late_fragment: bool,
    /// The high half of the longest id that spans of the trace had when it was decided; 0 if all
    /// had 64 bits, and where the trace is not kept or its decision does not say it.
    pub id_high: u64,
}

/// A policy within a composite one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SubPolicy {
    /// Its name: an index into the batch's policies.
    pub name: u16,
    /// Whether it stands in the policy that decided, and not in another that said yes as well.
    pub of_decider: bool,
}

/// Writes a batch of the owner that holds `claim`. `policies` are the names that the decisions point
/// to, at most [`POLICIES_MAX`], of which those are written that occur in the batch; a reader refuses
/// a batch in which a decision points to none.
#[must_use]
pub fn encode_decisions<S: AsRef<str>>(
    policies: &[S],
    claim: Option<Claim>,
    decisions: &[Decision],
) -> Vec<u8> {
    encode_decisions_of(None, policies, claim, decisions)
}

/// The same, of a set of policies with this hash.
#[must_use]
pub fn encode_decisions_of<S: AsRef<str>>(
    policies_hash: Option<u64>,
    policies: &[S],
    claim: Option<Claim>,
    decisions: &[Decision],
) -> Vec<u8> {
    let base_ms = decisions.iter().map(|decision| decision.first_seen_ms).min().unwrap_or(0);
    let numbers = Numbers::of(policies.len(), decisions.iter().flat_map(Decision::policies));
    let occurring = || policies.iter().zip(numbers.occur()).filter(|(_, occurs)| *occurs);
    let claim_len = claim.map_or(0, |claim| 1 + varint_len(claim.term) + 9);
    let names = occurring().map(|(policy, _)| delimited_len(1, policy.as_ref().len()));
    let bodies = decisions.iter().map(|one| delimited_len(3, one.encoded_len(base_ms, &numbers)));
    let hash_len = policies_hash.map_or(0, |_| 9);
    let rest = hash_len + 1 + varint_len(base_ms) + 1 + varint_len(u64::from(VERSION)) + claim_len;
    let mut out = Vec::with_capacity(names.sum::<usize>() + bodies.sum::<usize>() + rest);
    put_uint(&mut out, 6, u64::from(VERSION));
    for (policy, _) in occurring() {
        put_bytes(&mut out, 1, policy.as_ref().as_bytes());
    }
    put_uint(&mut out, 2, base_ms);
    for decision in decisions {
        put_delimited_head(&mut out, 3, decision.encoded_len(base_ms, &numbers));
        decision.append_to(base_ms, &numbers, &mut out);
    }
    if let Some(claim) = claim {
        put_uint(&mut out, 4, claim.term);
        put_fixed64(&mut out, 5, claim.owner);
    }
    if let Some(hash) = policies_hash {
        put_fixed64(&mut out, 9, hash);
    }
    out
}

impl Decision {
    /// The varint fields, by number, of a batch that counts from `base_ms`. Those of 0 are not
    /// written.
    fn numbers(&self, base_ms: u64, numbers: &Numbers) -> [(u32, u64); 10] {
        let sub_policy = self.sub_policy.map_or(0, |sub| u64::from(numbers.get(sub.name)) + 1);
        let of_another = self.sub_policy.is_some_and(|sub| !sub.of_decider);
        [
            (2, self.first_seen_ms.saturating_sub(base_ms)),
            (3, self.decided_at_ms.saturating_sub(self.first_seen_ms)),
            (4, self.threshold.get()),
            (5, u64::from(self.kept)),
            (6, u64::from(!self.probability_known)),
            (7, u64::from(numbers.get(self.policy))),
            (8, u64::from(self.late_fragment)),
            (11, u64::from(self.stated_randomness)),
            (12, sub_policy),
            (13, u64::from(of_another)),
        ]
    }

    fn sets(&self) -> [(u32, &PolicyBits); 2] {
        [(9, &self.also), (10, &self.shadow)]
    }

    fn encoded_len(&self, base_ms: u64, numbers: &Numbers) -> usize {
        let fields = self.numbers(base_ms, numbers);
        let written = fields.iter().filter(|(_, number)| *number > 0);
        let sets = self.sets().map(|(field, policies)| match numbers.set_len(policies) {
            0 => 0,
            length => delimited_len(field, length),
        });
        let id_high = if self.id_high == 0 { 0 } else { 9 };
        9 + id_high
            + written.map(|(_, number)| 1 + varint_len(*number)).sum::<usize>()
            + sets.iter().sum::<usize>()
    }

    fn append_to(&self, base_ms: u64, numbers: &Numbers, out: &mut Vec<u8>) {
        put_fixed64(out, 1, self.key.0);
        for (field, number) in self.numbers(base_ms, numbers) {
            if number > 0 {
                put_uint(out, field, number);
            }
        }
        for (field, policies) in self.sets() {
            numbers.append_set(field, policies, out);
        }
        if self.id_high != 0 {
            put_fixed64(out, 14, self.id_high);
        }
    }

    /// The decision number `index` of a batch, with times relative to the base of the batch.
    fn read(body: &[u8], index: usize) -> Result<Self, RecordError> {
        let (mut key, mut decision) = (None, Self::blank());
        let (mut sub_policy, mut of_another) = (0, false);
        let mut fields = Cursor::new(body);
        while let Some(field) = fields.next_field()? {
            match field.number {
                1 => key = Some(TraceKey(field.fixed64(DECISION)?)),
                2 => decision.first_seen_ms = field.varint(DECISION)?,
                3 => decision.decided_at_ms = field.varint(DECISION)?,
                4 => decision.threshold = threshold(field.varint(DECISION)?)?,
                5 => decision.kept = field.varint(DECISION)? != 0,
                6 => decision.probability_known = field.varint(DECISION)? == 0,
                7 => decision.policy = bounded("policy", field.varint(DECISION)?)?,
                8 => decision.late_fragment = field.varint(DECISION)? != 0,
                9 => decision.also = set("also", field.bytes(DECISION)?)?,
                10 => decision.shadow = set("shadow", field.bytes(DECISION)?)?,
                11 => decision.stated_randomness = field.varint(DECISION)? != 0,
                12 => sub_policy = bounded("sub_policy", field.varint(DECISION)?)?,
                13 => of_another = field.varint(DECISION)? != 0,
                14 => decision.id_high = field.fixed64(DECISION)?,
                _ => {}
            }
        }
        let name = u16::checked_sub(sub_policy, 1);
        decision.sub_policy = name.map(|name| SubPolicy { name, of_decider: !of_another });
        decision.key = key.ok_or(RecordError::NoKey { index })?;
        Ok(decision)
    }

    const fn blank() -> Self {
        Self {
            key: TraceKey(0),
            first_seen_ms: 0,
            decided_at_ms: 0,
            kept: false,
            threshold: Threshold::ALWAYS,
            probability_known: true,
            stated_randomness: false,
            policy: 0,
            sub_policy: None,
            also: PolicyBits::NONE,
            shadow: PolicyBits::NONE,
            late_fragment: false,
            id_high: 0,
        }
    }

    /// The numbers of the policies that it speaks of.
    fn policies(&self) -> impl Iterator<Item = u16> + '_ {
        let sub_policy = self.sub_policy.map(|sub| sub.name);
        [self.policy]
            .into_iter()
            .chain(sub_policy)
            .chain(self.also.iter())
            .chain(self.shadow.iter())
    }
}

/// The set of policies in `bytes`: the first policy is the lowest bit of the first byte.
fn set(field: &'static str, bytes: &[u8]) -> Result<PolicyBits, RecordError> {
    let (value, max) = (bytes.len() as u64, POLICIES_MAX as u64 / 8);
    if value > max {
        return Err(RecordError::Bound { field, value, max });
    }
    let bytes = (0_u16..).zip(bytes);
    let ones = bytes.flat_map(|(place, byte)| {
        (0..8_u16).filter(move |bit| byte >> bit & 1 == 1).map(move |bit| place * 8 + bit)
    });
    Ok(ones.collect())
}

/// A batch of decisions, as it lies in a record.
#[derive(Clone, Copy, Debug)]
pub struct DecisionBatch<'a> {
    record: &'a [u8],
    base_ms: u64,
    term: u64,
    owner: u64,
    version: u32,
    policies_hash: Option<u64>,
    policies: usize,
    decisions: usize,
    tells_sub_policies: bool,
}

impl<'a> DecisionBatch<'a> {
    /// Reads the batch in `record` and checks all of it.
    ///
    /// # Errors
    /// When anything in it is not what `record.proto` says.
    pub fn read(record: &'a [u8]) -> Result<Self, RecordError> {
        let mut batch = Self {
            record,
            base_ms: 0,
            term: 0,
            owner: 0,
            version: 1,
            policies_hash: None,
            policies: 0,
            decisions: 0,
            tells_sub_policies: false,
        };
        let (mut policy_max, mut policy_max_at) = (0, 0);
        let mut fields = Cursor::new(record);
        while let Some(field) = fields.next_field()? {
            match field.number {
                1 => {
                    text(&field, BATCH, "policies")?;
                    batch.policies += 1;
                }
                2 => batch.base_ms = field.varint(BATCH)?,
                3 => {
                    let decision = Decision::read(field.bytes(BATCH)?, batch.decisions)?;
                    let last = decision.policies().max().unwrap_or_default();
                    if last >= policy_max {
                        (policy_max, policy_max_at) = (last, batch.decisions);
                    }
                    batch.decisions += 1;
                    batch.tells_sub_policies |= decision.sub_policy.is_some();
                }
                4 => batch.term = field.varint(BATCH)?,
                5 => batch.owner = field.fixed64(BATCH)?,
                6 => batch.version = bounded("version", field.varint(BATCH)?)?,
                9 => batch.policies_hash = Some(field.fixed64(BATCH)?),
                7 => RateChange::read(field.bytes(BATCH)?).map(drop)?,
                8 => PartitionDemand::read(field.bytes(BATCH)?).map(drop)?,
                _ => {}
            }
        }
        if batch.policies > POLICIES_MAX {
            let (value, max) = (batch.policies as u64, POLICIES_MAX as u64);
            return Err(RecordError::Bound { field: "policies", value, max });
        }
        if batch.decisions > 0 && usize::from(policy_max) >= batch.policies {
            return Err(RecordError::NoPolicy {
                index: policy_max_at,
                policy: policy_max,
                policies: batch.policies,
            });
        }
        Ok(batch)
    }

    /// Whose decisions they are; `None` when it does not say.
    #[must_use]
    pub const fn claim(&self) -> Option<Claim> {
        if self.term == 0 { None } else { Some(Claim { term: self.term, owner: self.owner }) }
    }

    /// The version of the record, from 1. What a later one says beyond this one is passed over.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// The hash of the set of policies that made the decisions, if it says so.
    #[must_use]
    pub const fn policies_hash(&self) -> Option<u64> {
        self.policies_hash
    }

    /// How many decisions there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.decisions
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.decisions == 0
    }

    /// The names of the policies, in the order that [`Decision::policy`] counts.
    pub fn policies(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.members(1).filter_map(|name| std::str::from_utf8(name).ok())
    }

    /// Whether a decision tells the policy within a composite one that kept the trace.
    #[must_use]
    pub const fn tells_sub_policies(&self) -> bool {
        self.tells_sub_policies
    }

    /// The decisions, in the order in which they were made. Times too large to be told are the
    /// largest there is.
    pub fn decisions(&self) -> impl Iterator<Item = Decision> + use<'a> {
        let base_ms = self.base_ms;
        self.members(3).zip(0..).filter_map(move |(body, index)| {
            let mut decision = Decision::read(body, index).ok()?;
            decision.first_seen_ms = base_ms.saturating_add(decision.first_seen_ms);
            decision.decided_at_ms = decision.first_seen_ms.saturating_add(decision.decided_at_ms);
            Some(decision)
        })
    }

    /// The changes of thresholds, in order.
    pub fn rates(&self) -> impl Iterator<Item = RateChange> + use<'a> {
        self.members(7).filter_map(|body| RateChange::read(body).ok())
    }

    /// What asks for budgets, in order.
    pub fn demands(&self) -> impl Iterator<Item = PartitionDemand> + use<'a> {
        self.members(8).filter_map(|body| PartitionDemand::read(body).ok())
    }

    /// The bytes of all fields of `number`, which were checked before.
    fn members(&self, number: u32) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut fields = Cursor::new(self.record);
        std::iter::from_fn(move || fields.next_field().ok().flatten()).filter_map(move |field| {
            match field.value {
                Value::Bytes(bytes) if field.number == number => Some(bytes),
                _ => None,
            }
        })
    }
}
