//! The `ot` entry of a tracestate.

use std::io::Write;

use memchr::memmem;

use super::threshold::{DIGITS, Threshold, digits};

/// The most characters of an `ot` entry's value.
pub(super) const ENTRY_MAX: usize = 256;
/// The characters of `rv` with its key.
const RV_LEN: usize = 3 + DIGITS as usize;
/// The most entries of a tracestate.
pub(super) const MEMBERS_MAX: usize = 32;
/// The most characters of an entry's key, and of its value.
const PART_MAX: usize = 256;

/// What the `ot` entry of a tracestate says about sampling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OtEntry {
    /// The threshold that `th` states; `None` when it is absent or not 1 to 14 lower-case
    /// hexadecimal digits.
    pub threshold: Option<Threshold>,
    /// The 56 bits of randomness that `rv` states; `None` when it is absent or not exactly 14
    /// lower-case hexadecimal digits.
    pub randomness: Option<u64>,
    /// Whether there is a `th`, valid or not.
    pub names_threshold: bool,
}

/// Reads the `ot` entry of a tracestate. Where a key is given twice, the first one counts.
#[must_use]
pub fn read(tracestate: &[u8]) -> OtEntry {
    let mut entry = OtEntry::default();
    let mut names_randomness = false;
    for (key, value) in sub_keys(ot_value(tracestate)).map(split_at_colon) {
        match key {
            b"th" if !entry.names_threshold => {
                entry.names_threshold = true;
                entry.threshold = Threshold::parse(value);
            }
            b"rv" if !names_randomness => {
                names_randomness = true;
                entry.randomness = digits(value).filter(|_| value.len() == DIGITS as usize);
            }
            _ => {}
        }
    }
    entry
}

/// The value of the entry `key`; `None` when there is none, or when the tracestate is not one by the
/// W3C's Trace Context 1: too many entries, one that is none, or two of one key. (Trace Context 2
/// lets keys begin with a digit, which the SDKs and the Collector take for a defect unless a tenant
/// stands before an `@`.)
#[must_use]
pub fn value_of<'a>(tracestate: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let mut found = None;
    for (index, member) in members(tracestate).enumerate() {
        if index >= MEMBERS_MAX || !is_entry(member) {
            return None;
        }
        let of = key_of(member);
        if of.first().is_some_and(u8::is_ascii_digit) && !of.contains(&b'@') {
            return None;
        }
        if members(tracestate).take(index).any(|before| key_of(before) == of) {
            return None;
        }
        if of == key {
            found = member.get(of.len() + 1..);
        }
    }
    found
}

/// The value of the first `ot` entry, empty when there is none.
fn ot_value(tracestate: &[u8]) -> &[u8] {
    // Most tracestates are empty or another vendor's.
    if tracestate.len() < 3 || memmem::find(tracestate, b"ot=").is_none() {
        return &[];
    }
    members(tracestate).find_map(|member| member.strip_prefix(b"ot=")).unwrap_or_default()
}

/// The entries of a tracestate, without the spaces around them; empty ones are left out.
pub(super) fn members(tracestate: &[u8]) -> impl Iterator<Item = &[u8]> {
    let members = tracestate.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    members.filter(|member| !member.is_empty())
}

/// Whether `member`, which has no spaces around it, is an entry: a key and a value as the grammar
/// of the W3C's Trace Context 2 has them.
pub(super) fn is_entry(member: &[u8]) -> bool {
    let key = key_of(member);
    let Some((b'=', value)) = member.get(key.len()..).and_then(<[u8]>::split_first) else {
        return false;
    };
    let is_key =
        |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    matches!(key.first(), Some(b'a'..=b'z' | b'0'..=b'9'))
        && key.len() <= PART_MAX
        && key.iter().all(is_key)
        && (1..=PART_MAX).contains(&value.len())
        && value.iter().all(is_value)
}

/// Whether `byte` may be in the value of an entry.
const fn is_value(byte: &u8) -> bool {
    matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'=')
}

/// The key of an entry.
pub(super) fn key_of(member: &[u8]) -> &[u8] {
    member.split(|byte| *byte == b'=').next().unwrap_or_default()
}

fn sub_keys(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b';').filter(|part| !part.is_empty())
}

fn split_at_colon(part: &[u8]) -> (&[u8], &[u8]) {
    let colon = part.iter().position(|byte| *byte == b':').unwrap_or(part.len());
    (part.get(..colon).unwrap_or_default(), part.get(colon + 1..).unwrap_or_default())
}

/// An `ot` entry to be written, key and all; empty when it says nothing.
#[derive(Clone, Debug)]
pub(super) struct NewEntry {
    bytes: [u8; ENTRY_MAX + 3],
    len: usize,
}

impl NewEntry {
    /// The entry of `tracestate` with another threshold.
    pub(super) fn new(tracestate: &[u8], threshold: Option<Threshold>) -> Self {
        let mut entry = Self { bytes: [0; ENTRY_MAX + 3], len: 0 };
        if let Some(threshold) = threshold {
            // The digits and their key: within 17 bytes.
            let mut text = [0; 20];
            let mut rest = text.as_mut_slice();
            let written = write!(rest, "th:{threshold}").is_ok();
            let left = rest.len();
            let used = text.len() - left;
            entry.push(text.get(..used).filter(|_| written).unwrap_or_default(), 0);
        }
        let value = ot_value(tracestate);
        let is_randomness = |part: &&[u8]| split_at_colon(part).0 == b"rv";
        // Room that sub-keys before it must leave for `rv`, which is never lost.
        let randomness = sub_keys(value).find(is_randomness).filter(|part| part.len() <= RV_LEN);
        let mut kept = randomness.map_or(0, |part| part.len() + 1);
        for part in sub_keys(value).filter(|part| split_at_colon(part).0 != b"th") {
            if is_randomness(&part) {
                kept = 0;
            }
            entry.push(part, kept);
        }
        entry
    }

    /// Adds a sub-key, when that leaves `spare` bytes.
    fn push(&mut self, part: &[u8], spare: usize) {
        let separator: &[u8] = if self.len == 0 { b"ot=" } else { b";" };
        let end = self.len + separator.len() + part.len();
        if part.is_empty() || end + spare > self.bytes.len() || !part.iter().all(is_value) {
            return;
        }
        let (head, tail) = (self.len, self.len + separator.len());
        if let Some(place) = self.bytes.get_mut(head..tail) {
            place.copy_from_slice(separator);
        }
        if let Some(place) = self.bytes.get_mut(tail..end) {
            place.copy_from_slice(part);
        }
        self.len = end;
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}
