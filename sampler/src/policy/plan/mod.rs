//! What the policies of a set want to know, and how it is found out and remembered.
//!
//! ```text
//!  types/*.rs ──ask──▶ Planner ──▶ Plan { Scan, Layout }
//!                                         │        │
//!  bytes of a resource, a span ──observe──┘        │
//!        one look-up for each key that is asked    │
//!        for, each field read once        ──▶ record of the trace: [u64]
//!                                              end | facts … | start? | rv? | counters? …
//! ```
//!
//! * An **atom** is one test on one field of a resource or a span: the text under a key is one of
//!   some, a status is ERROR.
//! * A **fact** is a bit in the record of a trace: that some span, or its resource, has passed a
//!   test. Facts are only ever added.
//! * A **fold** is a number in the record: the earliest start, the latest end, a count. All folds are
//!   commutative and associative, so neither the order nor the grouping of spans matters.
//!
//! The record holds nothing that no policy asks for: see [`layout`].

mod conditions;
pub(super) mod fact;
mod fields;
mod heads;
mod keys;
pub(super) mod layout;
mod planner;
mod root;
mod scan;
mod times;
mod value;

pub(super) use fact::Fact;
pub use heads::Heads;
pub(super) use keys::ValueTest;
pub(super) use layout::{Counter, LeastHash, Record};
pub(super) use planner::{FIELDS_MAX, Full, Plan, Planner};
pub(crate) use root::is_root;
pub use scan::Observed;
pub use times::{Lasting, NearTimes};
