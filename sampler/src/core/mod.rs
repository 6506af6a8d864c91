//! What one partition does with what it reads: pure, without a clock, input or output, tasks or chance.
//!
//! [`partition`] is the way in: a [`PartitionState`](partition::PartitionState) takes an input and
//! gives effects, which the [`shell`](crate::shell) performs.
//!
//! | module | what it is |
//! |---|---|
//! | `fold`, `open_traces` | the summaries of undecided traces |
//! | [`measured_traces`] | what some of them are like, for the metrics |
//! | `policy_versions` | the policy sets that those are folded with |
//! | `decision` | decisions in the log and in memory, and whose decisions count |
//! | `watermark` | the time of the log |
//! | `window`, `held` | frames between their first reading and their release |
//! | `release`, `filter` | what one exporter has under way, and the kept spans of a frame |
//! | `recent_spans` | spans that come a second time |
//! | [`rates`] | budgets of policies: the thresholds in force |
//! | [`checkpoint`] | what a commit stores for the next owner |

pub mod checkpoint;
pub(crate) mod decision;
pub(crate) mod filter;
pub(crate) mod fold;
pub(crate) mod hash;
pub(crate) mod held;
pub mod measured_traces;
pub(crate) mod open_traces;
pub mod partition;
pub(crate) mod policy_versions;
pub mod rates;
pub(crate) mod recent_spans;
pub(crate) mod release;
pub(crate) mod watermark;
pub(crate) mod window;
