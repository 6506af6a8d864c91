//! Why a record cannot be read, and the fields that are read with care.

use crate::{
    tracestate::Threshold,
    wire::{Field, WireError},
};

/// The most policies that a batch may name.
pub const POLICIES_MAX: usize = 4_096;

/// Why a record cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It is not a protobuf message of the expected form.
    #[error("the record is malformed: {0}")]
    Malformed(#[from] WireError),
    /// What it says of budgets is not a protobuf message of the expected form.
    #[error("what the record says of budgets is malformed: {0}")]
    Message(#[from] prost::DecodeError),
    /// A demand is negative or no number.
    #[error("the demand for a budget is not a number of at least 0")]
    Demand,
    /// Keys do not ascend.
    #[error("the keys of a budget do not ascend")]
    Unsorted,
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

pub(super) fn threshold(value: u64) -> Result<Threshold, RecordError> {
    let max = Threshold::NEVER.get();
    Threshold::new(value).ok_or(RecordError::Bound { field: "threshold", value, max })
}

pub(super) fn bounded<T: TryFrom<u64>>(field: &'static str, value: u64) -> Result<T, RecordError> {
    // All that are asked for are unsigned: their size says how much they hold.
    let max = u64::MAX >> (64 - 8 * size_of::<T>().min(8));
    T::try_from(value).map_err(|_| RecordError::Bound { field, value, max })
}

pub(super) fn text<'a>(
    field: &Field<'a>,
    message: &'static str,
    name: &'static str,
) -> Result<&'a str, RecordError> {
    std::str::from_utf8(field.bytes(message)?).map_err(|_| RecordError::Text { field: name })
}
