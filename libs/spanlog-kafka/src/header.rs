//! What of a record is not its value: the headers.
//!
//! | header | value |
//! |---|---|
//! | `wholetrace.version` | format of the headers and of what they announce, `1` |
//! | `wholetrace.kind` | `spans`, `tick`, `decisions` or `dead_letter` |
//! | `wholetrace.epoch` | version of the mapping that chose the partition, in decimal; only if there is one |
//!
//! Values stay what others can read. A record without headers comes from somebody else, and is
//! what its topic is for. So is one whose headers cannot be read, from a version to come for
//! instance: whoever takes the record decodes its value or puts it to the dead letters, and one
//! record never stops a partition.

use rdkafka::message::{BorrowedHeaders, Header, Headers, OwnedHeaders};
use wholetrace_spanlog::{RecordKind, TopicName};

const VERSION: &str = "wholetrace.version";
const KIND: &str = "wholetrace.kind";
const EPOCH: &str = "wholetrace.epoch";

/// The format that we write.
const FORMAT: u32 = 1;

/// The headers of a record.
pub(super) fn write(kind: RecordKind, epoch: u32) -> OwnedHeaders {
    let mut headers = OwnedHeaders::new_with_capacity(3)
        .insert(Header { key: VERSION, value: Some("1") })
        .insert(Header { key: KIND, value: Some(word(kind)) });
    if epoch != 0 {
        let epoch = epoch.to_string();
        headers = headers.insert(Header { key: EPOCH, value: Some(epoch.as_str()) });
    }
    headers
}

/// What the headers of a record say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RecordHeaders {
    pub(super) kind: RecordKind,
    pub(super) epoch: u32,
    /// What of them could not be read.
    pub(super) unknown: Option<String>,
}

/// What a record of `topic` with these headers is.
pub(super) fn read(topic: TopicName, headers: Option<&BorrowedHeaders>) -> RecordHeaders {
    let mut said = RecordHeaders { kind: usual(topic), epoch: 0, unknown: None };
    for header in headers.map(Headers::iter).into_iter().flatten() {
        let known = match header.key {
            VERSION => number(header.value) == Some(FORMAT),
            KIND => header.value.and_then(parse).map(|kind| said.kind = kind).is_some(),
            EPOCH => number(header.value).map(|epoch| said.epoch = epoch).is_some(),
            // Somebody's trace context, for instance.
            _ => true,
        };
        if !known {
            said.unknown = Some(format!("`{}` is `{}`", header.key, shown(header.value)));
        }
    }
    said
}

/// What a record of this topic is when no header says.
const fn usual(topic: TopicName) -> RecordKind {
    match topic {
        TopicName::Spans => RecordKind::Spans,
        TopicName::Decisions => RecordKind::Decisions,
        TopicName::DeadLetters => RecordKind::DeadLetter,
    }
}

const fn word(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::Spans => "spans",
        RecordKind::Tick => "tick",
        RecordKind::Decisions => "decisions",
        RecordKind::DeadLetter => "dead_letter",
    }
}

fn parse(value: &[u8]) -> Option<RecordKind> {
    let all = [RecordKind::Spans, RecordKind::Tick, RecordKind::Decisions, RecordKind::DeadLetter];
    all.into_iter().find(|kind| word(*kind).as_bytes() == value)
}

fn number(value: Option<&[u8]>) -> Option<u32> {
    std::str::from_utf8(value?).ok()?.parse().ok()
}

/// A foreign value in a message: not more of it than fits a line.
fn shown(value: Option<&[u8]>) -> String {
    let value = value.unwrap_or_default();
    String::from_utf8_lossy(value.get(..64).unwrap_or(value)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(headers: &[(&str, &str)]) -> RecordHeaders {
        let new = OwnedHeaders::new();
        let headers = headers
            .iter()
            .fold(new, |headers, (key, value)| headers.insert(Header { key, value: Some(*value) }));
        read(TopicName::Spans, Some(headers.as_borrowed()))
    }

    #[test]
    fn what_was_written_is_read_back() {
        for kind in [RecordKind::Spans, RecordKind::Tick, RecordKind::Decisions] {
            let headers = write(kind, 7);
            let expected = RecordHeaders { kind, epoch: 7, unknown: None };
            assert_eq!(read(TopicName::Spans, Some(headers.as_borrowed())), expected);
        }
    }

    #[test]
    fn headers_from_elsewhere_leave_a_record_what_its_topic_is_for() {
        let plain = RecordHeaders { kind: RecordKind::Spans, epoch: 0, unknown: None };
        assert_eq!(read(TopicName::Spans, None), plain);
        assert_eq!(said(&[("traceparent", "00-1-2-03")]), plain);
        for (key, value) in [(VERSION, "2"), (KIND, "riddle"), (EPOCH, "first")] {
            let unknown = Some(format!("`{key}` is `{value}`"));
            assert_eq!(said(&[(key, value)]), RecordHeaders { unknown, ..plain.clone() });
        }
        let newer = said(&[(VERSION, "2"), (KIND, "tick"), (EPOCH, "3")]);
        assert_eq!((newer.kind, newer.epoch), (RecordKind::Tick, 3));
    }
}
