//! The configuration: from files, variables and options to checked sections.
//!
//! `yaml` reads a file and remembers lines, `sources` lays files, variables and options over each
//! other, and `expand` fills `${…}` in. `foreign` says what is in the place of a Collector's sections
//! and components, `collector` and `queue` what its keys mean here. `typed` makes `sections` of the
//! tree and finds every problem on the way, which `words` puts into words. `load` does all of it, and
//! `report` says what was found and where it stands; `other` reads other files likewise. `cost` adds
//! up what the sections may take of the memory; `document` describes them.

mod collector;
mod cost;
mod document;
mod expand;
mod foreign;
mod load;
mod other;
mod path;
mod queue;
mod report;
mod rounds;
mod sections;
mod sources;
#[cfg(feature = "kafka")]
mod topic_rounds;
mod typed;
mod words;
mod yaml;

pub(crate) use cost::Cost;
pub(crate) use document::markdown;
pub(crate) use load::{Loaded, load};
pub(crate) use other::{read_as, read_policies};
pub(crate) use report::Refused;
pub(crate) use sections::{Config, LogChoice, memory_limit};
pub(crate) use sources::Inputs;
