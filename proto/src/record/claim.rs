//! What every record of the decision log says.

/// The version that is written. Records of the first one, which do not say theirs, are read too.
pub const VERSION: u32 = 2;

/// Whose decisions are in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The term of the owner, from 1; each owner's is above those of all before it.
    pub term: u64,
    /// Tells owners apart that have come to the same term at the same time.
    pub owner: u64,
}
