//! Records of the decision log and of the dead-letter log, as `proto/wholetrace/v1/record.proto`
//! documents them.
//!
//! Reading borrows from the record and allocates nothing, whatever the record claims.

use crate::{
    id::TraceKey,
    tracestate::Threshold,
    wire::{
        Cursor, Field, Value, WireError, delimited_len, put_bytes, put_delimited_head, put_fixed64,
        put_uint, varint_len,
    },
};

/// The most policies that a batch may name.
pub const POLICIES_MAX: usize = 4_096;

/// Why a record cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It is not a protobuf message of the expected form.
    #[error("the record is malformed: {0}")]
    Malformed(#[from] WireError),
    /// A text is not UTF-8.
    #[error("field `{field}` is not UTF-8")]
    Text {
        /// The field.
        field: &'static str,
    },
    /// A list of numbers ends within one.
    #[error("field `{field}` ends within a number")]
    Packed {
        /// The field.
        field: &'static str,
    },
    /// A decision has no trace key.
    #[error("decision `{index}` has no key")]
    NoKey {
        /// Which one, from 0.
        index: usize,
    },
    /// A number is out of its bounds.
    #[error("field `{field}` is `{value}`, must be at most `{max}`")]
    Bound {
        /// The field.
        field: &'static str,
        /// What it says.
        value: u64,
        /// The most it may say.
        max: u64,
    },
    /// A decision points to a policy that the batch does not name.
    #[error("decision `{index}` names policy `{policy}`, the batch has `{policies}`")]
    NoPolicy {
        /// Which decision, from 0.
        index: usize,
        /// The index of the policy.
        policy: u16,
        /// How many policies the batch names.
        policies: usize,
    },
}

/// The verdict on one trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// The policy that decided: an index into the batch's policies.
    pub policy: u16,
    /// Whether all that was seen of the trace ended so long before it came into the log that a
    /// decision about the rest of it may have been forgotten.
    pub late_fragment: bool,
}

/// Whose decisions are in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The term of the owner, from 1; each owner's is above those of all before it.
    pub term: u64,
    /// Tells owners apart that have come to the same term at the same time.
    pub owner: u64,
}

/// Writes a batch of the owner that holds `claim`. `policies` are the names that [`Decision::policy`]
/// points to, at most [`POLICIES_MAX`]; a reader refuses a batch in which a decision points to none.
#[must_use]
pub fn encode_decisions<S: AsRef<str>>(
    policies: &[S],
    claim: Option<Claim>,
    decisions: &[Decision],
) -> Vec<u8> {
    let base_ms = decisions.iter().map(|decision| decision.first_seen_ms).min().unwrap_or(0);
    let claim_len = claim.map_or(0, |claim| 1 + varint_len(claim.term) + 9);
    let mut out = Vec::with_capacity(batch_len(policies, decisions, base_ms) + claim_len);
    for policy in policies {
        put_bytes(&mut out, 1, policy.as_ref().as_bytes());
    }
    put_uint(&mut out, 2, base_ms);
    for decision in decisions {
        put_delimited_head(&mut out, 3, decision.encoded_len(base_ms));
        decision.append_to(base_ms, &mut out);
    }
    if let Some(claim) = claim {
        put_uint(&mut out, 4, claim.term);
        put_fixed64(&mut out, 5, claim.owner);
    }
    out
}

fn batch_len<S: AsRef<str>>(policies: &[S], decisions: &[Decision], base_ms: u64) -> usize {
    let policies = policies.iter().map(|policy| delimited_len(1, policy.as_ref().len()));
    let decisions = decisions.iter().map(|one| delimited_len(3, one.encoded_len(base_ms)));
    policies.sum::<usize>() + 1 + varint_len(base_ms) + decisions.sum::<usize>()
}

impl Decision {
    /// The varint fields, by number, of a batch that counts from `base_ms`. Those of 0 are not
    /// written.
    fn numbers(&self, base_ms: u64) -> [(u32, u64); 7] {
        [
            (2, self.first_seen_ms.saturating_sub(base_ms)),
            (3, self.decided_at_ms.saturating_sub(self.first_seen_ms)),
            (4, self.threshold.get()),
            (5, u64::from(self.kept)),
            (6, u64::from(!self.probability_known)),
            (7, u64::from(self.policy)),
            (8, u64::from(self.late_fragment)),
        ]
    }

    fn encoded_len(&self, base_ms: u64) -> usize {
        let numbers = self.numbers(base_ms);
        let written = numbers.iter().filter(|(_, number)| *number > 0);
        9 + written.map(|(_, number)| 1 + varint_len(*number)).sum::<usize>()
    }

    fn append_to(&self, base_ms: u64, out: &mut Vec<u8>) {
        put_fixed64(out, 1, self.key.0);
        for (field, number) in self.numbers(base_ms) {
            if number > 0 {
                put_uint(out, field, number);
            }
        }
    }

    /// The decision number `index` of a batch, with times relative to the base of the batch.
    fn read(body: &[u8], index: usize) -> Result<Self, RecordError> {
        let (mut key, mut decision) = (None, Self::blank());
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
                _ => {}
            }
        }
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
            policy: 0,
            late_fragment: false,
        }
    }
}

const DECISION: &str = "Decision";
const BATCH: &str = "DecisionBatch";
const DEAD_LETTER: &str = "DeadLetter";

fn threshold(value: u64) -> Result<Threshold, RecordError> {
    let max = Threshold::NEVER.get();
    Threshold::new(value).ok_or(RecordError::Bound { field: "threshold", value, max })
}

fn bounded<T: TryFrom<u64>>(field: &'static str, value: u64) -> Result<T, RecordError> {
    // All that are asked for are unsigned: their size says how much they hold.
    let max = u64::MAX >> (64 - 8 * size_of::<T>().min(8));
    T::try_from(value).map_err(|_| RecordError::Bound { field, value, max })
}

fn text<'a>(
    field: &Field<'a>,
    message: &'static str,
    name: &'static str,
) -> Result<&'a str, RecordError> {
    std::str::from_utf8(field.bytes(message)?).map_err(|_| RecordError::Text { field: name })
}

/// A batch of decisions, as it lies in a record.
#[derive(Clone, Copy, Debug)]
pub struct DecisionBatch<'a> {
    record: &'a [u8],
    base_ms: u64,
    term: u64,
    owner: u64,
    policies: usize,
    decisions: usize,
}

impl<'a> DecisionBatch<'a> {
    /// Reads the batch in `record` and checks all of it.
    ///
    /// # Errors
    /// When anything in it is not what `record.proto` says.
    pub fn read(record: &'a [u8]) -> Result<Self, RecordError> {
        let mut batch = Self { record, base_ms: 0, term: 0, owner: 0, policies: 0, decisions: 0 };
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
                    if decision.policy >= policy_max {
                        (policy_max, policy_max_at) = (decision.policy, batch.decisions);
                    }
                    batch.decisions += 1;
                }
                4 => batch.term = field.varint(BATCH)?,
                5 => batch.owner = field.fixed64(BATCH)?,
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

/// What could not be decoded, or was refused for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeadLetter<'a> {
    /// Why it is here, for people.
    pub reason: &'a str,
    /// The topic it was read from.
    pub topic: &'a str,
    /// The partition of that topic.
    pub partition: u32,
    /// The position in that partition; of the first record when the payload was made of several.
    pub position: u64,
    /// When it became a dead letter: milliseconds since the Unix epoch, in the log's time.
    pub time_ms: u64,
    /// The exporter whose receiver refused it; empty when it did not come that far.
    pub exporter: &'a str,
    /// The bytes: `TracesData`, or what should have been.
    pub payload: &'a [u8],
}

impl<'a> DeadLetter<'a> {
    /// Writes the record.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let text = self.reason.len() + self.topic.len() + self.exporter.len();
        // Room for tags, lengths and numbers: more than they can take.
        let mut out = Vec::with_capacity(text + self.payload.len() + 80);
        put_bytes(&mut out, 1, self.reason.as_bytes());
        put_bytes(&mut out, 2, self.topic.as_bytes());
        put_uint(&mut out, 3, u64::from(self.partition));
        put_uint(&mut out, 4, self.position);
        put_uint(&mut out, 5, self.time_ms);
        put_bytes(&mut out, 6, self.exporter.as_bytes());
        put_bytes(&mut out, 7, self.payload);
        out
    }

    /// Reads the dead letter in `record`.
    ///
    /// # Errors
    /// When it is not what `record.proto` says.
    pub fn read(record: &'a [u8]) -> Result<Self, RecordError> {
        let mut letter = Self::default();
        let mut fields = Cursor::new(record);
        while let Some(field) = fields.next_field()? {
            match field.number {
                1 => letter.reason = text(&field, DEAD_LETTER, "reason")?,
                2 => letter.topic = text(&field, DEAD_LETTER, "topic")?,
                3 => letter.partition = bounded("partition", field.varint(DEAD_LETTER)?)?,
                4 => letter.position = field.varint(DEAD_LETTER)?,
                5 => letter.time_ms = field.varint(DEAD_LETTER)?,
                6 => letter.exporter = text(&field, DEAD_LETTER, "exporter")?,
                7 => letter.payload = field.bytes(DEAD_LETTER)?,
                _ => {}
            }
        }
        Ok(letter)
    }
}

/// Writes the record that says that the dead letters at these `positions` of its partition were
/// delivered.
#[must_use]
pub fn encode_replayed(positions: &[u64]) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 * positions.len() + 24);
    // For people who look at the topic with other tools.
    put_bytes(&mut out, 1, b"replayed");
    let packed: Vec<u8> = positions.iter().flat_map(|position| position.to_le_bytes()).collect();
    put_bytes(&mut out, REPLAYED, &packed);
    out
}

/// The positions of the dead letters that `record` says were delivered; `None` when it is a dead
/// letter itself.
///
/// # Errors
/// When it is not what `record.proto` says.
pub fn read_replayed(record: &[u8]) -> Result<Option<Vec<u64>>, RecordError> {
    let mut positions = None;
    let mut fields = Cursor::new(record);
    while let Some(field) = fields.next_field()? {
        if field.number != REPLAYED {
            continue;
        }
        let positions = positions.get_or_insert_with(Vec::new);
        match field.value {
            // A writer may do without packing.
            Value::Fixed64(position) => positions.push(position),
            _ => {
                let (packed, rest) = field.bytes(DEAD_LETTER)?.as_chunks();
                if !rest.is_empty() {
                    return Err(RecordError::Packed { field: "replayed" });
                }
                positions.extend(packed.iter().map(|bytes| u64::from_le_bytes(*bytes)));
            }
        }
    }
    Ok(positions)
}

const REPLAYED: u32 = 8;

#[cfg(test)]
mod tests;
