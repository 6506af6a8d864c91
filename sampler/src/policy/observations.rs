//! Collects what the policies of a set want to know of spans, so that one scan finds it out.

use std::collections::HashMap;

use regex::bytes::Regex;

use crate::policy::{
    attributes::{AskedAttributes, ValueTest},
    bits::Bits,
};

/// Observation: a span with no status.
pub(super) const STATUS_UNSET: usize = 0;
/// Observation: a span with the status OK.
pub(super) const STATUS_OK: usize = 1;
/// Observation: a span with the status ERROR.
pub(super) const STATUS_ERROR: usize = 2;
/// Observation: something asks for this trace to be kept.
pub(super) const KEEP_SIGNAL: usize = 3;
/// The first observation that is given to a policy.
const FIRST_FREE: usize = 4;

/// How many different conditions on attributes a policy set may hold.
pub(super) const CONDITIONS_MAX: usize = Bits::CAPACITY - FIRST_FREE;

/// There is no room for another condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// The observations asked for so far. Equal conditions share one.
#[derive(Debug, Default)]
pub(super) struct Observations {
    pub(super) attributes: AskedAttributes,
    known: HashMap<Condition, Bits>,
}

/// A condition on an attribute.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Condition {
    key: String,
    values: Vec<String>,
    patterns: bool,
}

impl Observations {
    /// An observation that holds when the text under `key`, on a resource or on a span, is one of
    /// `values`.
    pub(super) fn text_is_one_of(&mut self, key: &str, values: &[&str]) -> Result<Bits, Full> {
        let (observation, new) = self.observation(key, values, false)?;
        if new {
            self.attributes.ask_texts(key, values.iter().copied(), observation);
        }
        Ok(observation)
    }

    /// An observation that holds when one of `patterns`, written as `sources`, is found in the
    /// text under `key`.
    pub(super) fn text_matches_one_of(
        &mut self,
        key: &str,
        sources: &[&str],
        patterns: Vec<Regex>,
    ) -> Result<Bits, Full> {
        let (observation, new) = self.observation(key, sources, true)?;
        if new {
            for pattern in patterns {
                self.attributes.ask(key, ValueTest::Pattern(pattern), observation);
            }
        }
        Ok(observation)
    }

    fn observation(
        &mut self,
        key: &str,
        values: &[&str],
        patterns: bool,
    ) -> Result<(Bits, bool), Full> {
        let mut values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        values.sort_unstable();
        values.dedup();
        let condition = Condition { key: key.to_owned(), values, patterns };
        if let Some(bits) = self.known.get(&condition) {
            return Ok((*bits, false));
        }
        let bits = Bits::single(FIRST_FREE + self.known.len()).ok_or(Full)?;
        self.known.insert(condition, bits);
        Ok((bits, true))
    }
}

/// The bit of one of the fixed observations.
pub(super) fn fixed(observation: usize) -> Bits {
    Bits::single(observation).unwrap_or_default()
}
