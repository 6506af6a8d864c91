//! Tags by what becomes of them.

use super::model::{Tag, Value, keep_last_of_each};
use crate::otlp::enums::{KINDS, number_of, status_code};
use crate::texts::Utf8;

/// The status code of an error.
const ERROR: u64 = 2;

const SERVER: u64 = 2;

const STATUS_CODE: &str = "otel.status_code";
const STATUS_DESCRIPTION: &str = "otel.status_description";

/// What tags say that are no attributes.
#[derive(Debug, Default)]
pub(super) struct Said<'a> {
    pub(super) scope_name: Utf8<'a>,
    pub(super) scope_version: Utf8<'a>,
    pub(super) trace_state: Utf8<'a>,
    /// The number of the kind; 0 is not known.
    pub(super) kind: u64,
    /// The number of the status code; 0 is not known.
    pub(super) status_code: u64,
    pub(super) status_message: Utf8<'a>,
}

/// What tags say of the status.
#[derive(Default)]
struct Status<'a> {
    error: bool,
    code: Option<u64>,
    description: Option<Utf8<'a>>,
    http_code: Option<i64>,
    http_message: Utf8<'a>,
}

impl<'a> Said<'a> {
    /// What `tags` of a span say. Those that stay with it as attributes are left in there, each name
    /// once.
    pub(super) fn take(tags: &mut Vec<Tag<'a>>) -> Self {
        let (mut said, mut status) = (Self::default(), Status::default());
        // Name and version of the scope, as they were called before.
        let mut library = [None; 2];
        keep_last_of_each(tags);
        tags.retain(|tag| {
            match (tag.key.bytes(), tag.value.text()) {
                (b"span.kind", Some(text)) => match number_of(text.as_str(), &KINDS) {
                    Some(kind) => said.kind = kind,
                    None => return true,
                },
                (b"otel.scope.name", Some(text)) => said.scope_name = text,
                (b"otel.scope.version", Some(text)) => said.scope_version = text,
                (b"otel.library.name", Some(text)) => library[0] = Some((*tag, text)),
                (b"otel.library.version", Some(text)) => library[1] = Some((*tag, text)),
                (b"w3c.tracestate", Some(text)) => said.trace_state = text,
                (b"error", _) if is_true(tag.value) => status.error = true,
                _ => {
                    status.look_at(tag);
                    return true;
                }
            }
            false
        });
        let [name, version] = library;
        said.scope_name = before(said.scope_name, name, tags);
        said.scope_version = before(said.scope_version, version, tags);
        said.set_status(&status, tags);
        said
    }

    /// What says an error goes before what says something else; what became of a request over HTTP
    /// counts where nothing else says a status.
    fn set_status(&mut self, status: &Status<'a>, tags: &mut Vec<Tag<'a>>) {
        let code = if status.error { Some(ERROR) } else { status.code };
        if let Some(code) = code {
            self.status_code = code;
            let otherwise = if status.error { status.http_message } else { Utf8::default() };
            self.status_message = status.description.unwrap_or(otherwise);
            if status.code.is_some() || status.description.is_some() {
                tags.retain(|tag| {
                    !(status.code == Some(code) && tag.is(STATUS_CODE)
                        || status.description.is_some() && tag.is(STATUS_DESCRIPTION))
                });
            }
            return;
        }
        let has_failed = status.http_code.is_some_and(|code| match code {
            400..500 => self.kind != SERVER,
            code => !(100..399).contains(&code),
        });
        if has_failed {
            (self.status_code, self.status_message) = (ERROR, status.http_message);
        }
    }
}

impl<'a> Status<'a> {
    /// Sees what a tag says of the status that stays an attribute, as far as it is known yet.
    fn look_at(&mut self, tag: &Tag<'a>) {
        match (tag.key.bytes(), tag.value.text()) {
            (b"otel.status_code", Some(text)) => self.code = status_code(text.as_str()),
            (b"otel.status_description", Some(text)) => self.description = Some(text),
            (b"http.status_code" | b"http.response.status_code", _) => {
                self.http_code = integer(tag.value).or(self.http_code);
            }
            (b"http.status_message", text) => self.http_message = text.unwrap_or_default(),
            _ => {}
        }
    }
}

/// What is said by the name of today, else by the `old` one, which stays an attribute where it is not
/// needed.
fn before<'a>(
    said: Utf8<'a>,
    old: Option<(Tag<'a>, Utf8<'a>)>,
    attributes: &mut Vec<Tag<'a>>,
) -> Utf8<'a> {
    match old {
        Some((_, old)) if said.is_empty() => old,
        Some((tag, _)) => {
            attributes.push(tag);
            said
        }
        None => said,
    }
}

fn is_true(value: Value<'_>) -> bool {
    match value {
        Value::Bool(value) => value,
        Value::Text(text) => text.bytes().eq_ignore_ascii_case(b"true"),
        _ => false,
    }
}

/// A whole number, also in text.
fn integer(value: Value<'_>) -> Option<i64> {
    match value {
        Value::Int(number) => Some(number),
        Value::Text(text) => text.as_str().parse().ok(),
        _ => None,
    }
}
