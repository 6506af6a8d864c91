//! From the configuration of another sampler to one of Wholetrace that does the same.
//!
//! [`import`] reads what an OpenTelemetry Collector has (one file, the files of several tiers, a
//! resource of Kubernetes around one) or the rules of Refinery. It writes a configuration, and a
//! [`Report`] in three lists: what was taken, what is not needed, and what would be lost.
//!
//! What a key means to Wholetrace is known to the configuration's own loader. The importer copies keys
//! through and asks a [`Check`] about the outcome: what that warns of is left out as not needed, what it
//! refuses is left out as lost.

mod collector;
mod document;
mod draft;
mod exact;
mod front;
mod kubernetes;
mod refinery;
mod report;
mod settle;
mod yaml;

pub use document::Source;
pub use front::{Check, Checked, Selection, Unreadable};
pub use report::{Entry, Place, Report};

/// What came of the files.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The configuration, as YAML with comments.
    pub configuration: String,
    /// What was taken, what is not needed, what would be lost.
    pub report: Report,
    /// Whether the configuration loads. Policies that this version does not know stand in it all the
    /// same.
    pub loads: bool,
}

/// Makes a configuration of `files`.
///
/// # Errors
/// When one of them is not YAML, or none is what this reads.
pub fn import(
    files: &[Source],
    selection: &Selection,
    check: Check<'_>,
) -> Result<Imported, Unreadable> {
    let mut report = Report::new(files.len() > 1);
    let documents = document::read(files)?;
    let documents = kubernetes::unwrapped(documents, &mut report)?;
    let is_refinery = documents.iter().any(|document| refinery::is_rules(&document.value));
    let import = if is_refinery { refinery::import } else { collector::import };
    let mut draft = import(&documents, selection, &mut report)?;
    let loads = settle::settle(&mut draft, &mut report, check);
    Ok(Imported { configuration: draft.yaml(), report, loads })
}
