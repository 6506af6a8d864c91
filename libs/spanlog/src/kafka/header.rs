//! What of a record is not its value: the headers.
//!
//! | header | value |
//! |---|---|
//! | `wholetrace.version` | format of the headers and of what they announce, `1` |
//! | `wholetrace.kind` | `spans`, `tick`, `decisions` or `dead_letter` |
//! | `wholetrace.epoch` | version of the mapping that chose the partition, in decimal; only if there is one |
//!
//! Values stay what others can read. A record without headers comes from somebody else, and is
//! what its topic is for.

use rdkafka::message::{BorrowedHeaders, Header, Headers, OwnedHeaders};

use crate::{record::RecordKind, topic::TopicName};

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

/// Kind and epoch of a record of `topic` with these headers.
///
/// # Errors
/// What keeps the record from being read.
pub(super) fn read(
    topic: TopicName,
    headers: Option<&BorrowedHeaders>,
) -> Result<(RecordKind, u32), String> {
    let (mut kind, mut epoch) = (None, 0);
    for header in headers.map(Headers::iter).into_iter().flatten() {
        match header.key {
            VERSION => {
                let version = number(header.value);
                if version != Some(FORMAT) {
                    return Err(format!(
                        "`{VERSION}` is `{}`, this version reads `{FORMAT}`",
                        shown(header.value)
                    ));
                }
            }
            KIND => {
                let known = header.value.and_then(parse);
                let unknown = || format!("`{KIND}` is `{}`", shown(header.value));
                kind = Some(known.ok_or_else(unknown)?);
            }
            EPOCH => {
                let unknown = || format!("`{EPOCH}` is `{}`", shown(header.value));
                epoch = number(header.value).ok_or_else(unknown)?;
            }
            // Somebody's trace context, for instance.
            _ => {}
        }
    }
    Ok((kind.unwrap_or_else(|| usual(topic)), epoch))
}

/// What a record of this topic is when nobody says.
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
