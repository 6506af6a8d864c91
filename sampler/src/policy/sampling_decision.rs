//! What is decided about a trace.

pub use wholetrace_proto::record::PolicyBits;

/// Number of a policy within its set; see `PolicySet::policy_name`.
pub type PolicyIndex = u16;

/// A policy within a composite one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubPolicy {
    /// The composite policy.
    pub of: PolicyIndex,
    /// The number of its name; see `PolicySet::sub_policy_names`.
    pub name: u16,
}

/// What is decided about a trace: a function of its spans and its id alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SamplingDecision {
    /// Whether it is kept.
    pub kept: bool,
    /// The rejection threshold by which it was judged, 0 (always kept) to 2^56 (never). A kept
    /// trace has a randomness that is not below it. 0 for kept traces of unknown probability.
    pub threshold: u64,
    /// Whether the threshold says how probable it was that a trace with these contents is kept. If
    /// not, a threshold that its spans carry does not hold any more and must be erased.
    pub probability_known: bool,
    /// Whether the threshold was compared with the randomness that spans state (`rv` in their
    /// tracestate): it tells nothing of spans that state none. Otherwise with the one in the id of the
    /// trace, and it tells nothing of spans that state another.
    pub stated_randomness: bool,
    /// The first policy of those that decided it so; none when no policy wanted it.
    pub policy: Option<PolicyIndex>,
    /// Of the first composite policy among those that keep it: the policy in it that does, where that is
    /// to be told.
    pub sub_policy: Option<SubPolicy>,
    /// All policies that said yes to it: to keep it, or where a policy has it dropped, to drop it.
    pub matched: PolicyBits,
    /// The policies that said yes and are tried only: nobody obeys them.
    pub shadow: PolicyBits,
    /// The policies that said neither yes nor no, because their evaluation failed; shadows among them.
    pub failed: PolicyBits,
}
