//! Tags by what becomes of them.

use super::model::{Span, Tag, Value, last_of_each};
use crate::otlp::enums::{KINDS, number_of, status_code};

/// The status code of an error.
const ERROR: u64 = 2;

const SERVER: u64 = 2;

const STATUS_CODE: &str = "otel.status_code";
const STATUS_DESCRIPTION: &str = "otel.status_description";

/// The tags of one span, sorted by where they go.
#[derive(Debug, Default)]
pub(super) struct Tags<'s, 'a> {
    pub(super) scope_name: &'s str,
    pub(super) scope_version: &'s str,
    pub(super) trace_state: &'s str,
    /// The number of the kind; 0 is not known.
    pub(super) kind: u64,
    /// The number of the status code; 0 is not known.
    pub(super) status_code: u64,
    pub(super) status_message: &'s str,
    /// What stays with the span. Each name occurs once.
    pub(super) attributes: Vec<&'s Tag<'a>>,
}

/// What tags say of the status.
#[derive(Default)]
struct Said<'s> {
    error: bool,
    code: Option<u64>,
    description: Option<&'s str>,
    http_code: Option<i64>,
    http_message: &'s str,
}

impl<'s, 'a> Tags<'s, 'a> {
    /// Sorts the tags of `span`.
    pub(super) fn of(span: &'s Span<'a>) -> Self {
        let mut tags = Self { attributes: Vec::with_capacity(span.tags.len()), ..Self::default() };
        let mut said = Said::default();
        // Name and version of the scope, as they were called before.
        let mut library = [None; 2];
        for tag in last_of_each(&span.tags) {
            let text = tag.value.text();
            match (&*tag.key, text) {
                ("span.kind", Some(text)) => match number_of(text, &KINDS) {
                    Some(kind) => tags.kind = kind,
                    None => tags.attributes.push(tag),
                },
                ("otel.scope.name", Some(text)) => tags.scope_name = text,
                ("otel.scope.version", Some(text)) => tags.scope_version = text,
                ("otel.library.name", Some(text)) => library[0] = Some((tag, text)),
                ("otel.library.version", Some(text)) => library[1] = Some((tag, text)),
                ("w3c.tracestate", Some(text)) => tags.trace_state = text,
                ("error", _) if is_true(&tag.value) => said.error = true,
                (STATUS_CODE, Some(text)) => {
                    said.code = status_code(text);
                    tags.attributes.push(tag);
                }
                (STATUS_DESCRIPTION, Some(text)) => {
                    said.description = Some(text);
                    tags.attributes.push(tag);
                }
                ("http.status_code" | "http.response.status_code", _) => {
                    said.http_code = integer(&tag.value).or(said.http_code);
                    tags.attributes.push(tag);
                }
                ("http.status_message", text) => {
                    said.http_message = text.unwrap_or_default();
                    tags.attributes.push(tag);
                }
                _ => tags.attributes.push(tag),
            }
        }
        let [name, version] = library;
        tags.scope_name = tags.before(tags.scope_name, name);
        tags.scope_version = tags.before(tags.scope_version, version);
        tags.set_status(&said);
        tags
    }

    /// What is said by the name of today, else by the `old` one, which stays an attribute where it is
    /// not needed.
    fn before(&mut self, said: &'s str, old: Option<(&'s Tag<'a>, &'s str)>) -> &'s str {
        match old {
            Some((_, old)) if said.is_empty() => old,
            Some((tag, _)) => {
                self.attributes.push(tag);
                said
            }
            None => said,
        }
    }

    /// Whether the span has an attribute `key` from a tag.
    pub(super) fn has_attribute(&self, key: &str) -> bool {
        self.attributes.iter().any(|tag| tag.key == key)
    }

    /// What says an error goes before what says something else; what became of a request over HTTP
    /// counts where nothing else says a status.
    fn set_status(&mut self, said: &Said<'s>) {
        let code = if said.error { Some(ERROR) } else { said.code };
        if let Some(code) = code {
            self.status_code = code;
            let otherwise = if said.error { said.http_message } else { "" };
            self.status_message = said.description.unwrap_or(otherwise);
            let is_said = |tag: &Tag<'_>| match &*tag.key {
                STATUS_CODE => said.code == Some(code),
                STATUS_DESCRIPTION => said.description.is_some(),
                _ => false,
            };
            if said.code.is_some() || said.description.is_some() {
                self.attributes.retain(|tag| !is_said(tag));
            }
            return;
        }
        let has_failed = said.http_code.is_some_and(|code| match code {
            400..500 => self.kind != SERVER,
            code => !(100..399).contains(&code),
        });
        if has_failed {
            (self.status_code, self.status_message) = (ERROR, said.http_message);
        }
    }
}

fn is_true(value: &Value<'_>) -> bool {
    match value {
        Value::Bool(value) => *value,
        Value::Text(text) => text.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

/// A whole number, also in text.
fn integer(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}
