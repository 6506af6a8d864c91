//! Reads OTLP/JSON: a request, above its spans.

mod span;
mod value;

use self::span::{put_count, put_text, span};
use self::value::{attributes, message_unless_empty};
use crate::json::error::{JsonError, ReadError};
use crate::json::kind::Kind;
use crate::json::reader::{Elements, Reader};
use crate::json::values::{bad_value, each_element, each_field, ignore, wrong_type};
use crate::otlp::depth::Depth;
use crate::otlp::numbers::{
    INSTRUMENTATION_LIBRARY_SPANS, entity_ref, instrumentation_scope, resource, resource_spans,
    scope_spans, traces_data,
};
use crate::reject::{Rejected, SpanReject};
use crate::room::{Reserved, Room};
use crate::translated::Translated;
use crate::wire::nested::{begin_message, end_message};
use crate::wire::put_bytes;

/// Translates an OTLP/JSON `ExportTraceServiceRequest` (or `TracesData`) into protobuf.
///
/// Takes what the Collector takes: field names in `lowerCamelCase` and `snake_case`, enumerations
/// as numbers or names, numbers bare or in quotes, empty ids, hexadecimal ids of either case,
/// unknown fields; and, beyond it, `null` for anything, a byte-order mark, invalid UTF-8 (each byte of
/// it becomes a `?`), the scopes' old name `instrumentationLibrarySpans` (written as the old field). What
/// is wrong with a span costs that span; what is wrong with a resource or a scope, the spans
/// under it.
///
/// The work is linear in the text. As much room as the text takes is asked for at once: the answer
/// needs less, as a rule by half, and hardly more for text of nothing but negative enumerations.
///
/// # Errors
/// When the text is not one JSON document, has not the shape of a request above its spans, or
/// there is not the room.
pub fn to_protobuf(text: &[u8], room: &mut dyn Room) -> Result<Translated, JsonError> {
    let mut reader = Reader::new(text)?;
    let room = Reserved::with(room, text.len())?;
    if reader.peek()? != Kind::Object {
        let expected = "an object with `resourceSpans`";
        return Err(JsonError::Shape { at: reader.at(), field: "request", expected });
    }
    let mut request = Request {
        out: Vec::with_capacity(text.len() / 2),
        spans: 0,
        rejected: Rejected::default(),
        room,
    };
    let mut fields = reader.object()?;
    while let Some(name) = reader.field(&mut fields)? {
        match &*name {
            "resourceSpans" | "resource_spans" => request.resources(&mut reader)?,
            _ => reader.skip()?,
        }
    }
    reader.end()?;
    let (bytes, spans) = (request.out, request.spans);
    Ok(Translated { bytes, spans, checked: false, rejected: request.rejected })
}

/// Names of the field of scopes: now, and before version 0.15 of the protocol.
const SCOPES: [&str; 2] = ["scopeSpans", "scope_spans"];
const OLD_SCOPES: [&str; 2] = ["instrumentationLibrarySpans", "instrumentation_library_spans"];

/// Writes the request in the order of the text. Its spans are grouped already, and a resource may
/// say what it is behind them: so there is nothing that the [`Writer`](crate::otlp::writer::Writer)
/// of other translators would do for it but copy.
struct Request<'r> {
    out: Vec<u8>,
    spans: u64,
    rejected: Rejected,
    room: Reserved<'r>,
}

impl Request<'_> {
    fn resources(&mut self, reader: &mut Reader<'_>) -> Result<(), JsonError> {
        each_parent(reader, "resourceSpans", |reader| {
            self.all_or_none(reader, Level::Resource, |this, reader| {
                let message = begin_message(&mut this.out, traces_data::RESOURCE_SPANS);
                each_field(reader, "resourceSpans", |reader, name| {
                    this.resource_field(reader, &name)
                })?;
                end_message(&mut this.out, message);
                Ok(())
            })
        })
    }

    fn resource_field(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<(), ReadError> {
        match name {
            "resource" => {
                message_unless_empty(&mut self.out, resource_spans::RESOURCE, |out| {
                    resource(reader, out)
                })?;
            }
            _ if SCOPES.contains(&name) => self.scopes(reader, resource_spans::SCOPE_SPANS)?,
            _ if OLD_SCOPES.contains(&name) => {
                self.scopes(reader, INSTRUMENTATION_LIBRARY_SPANS)?
            }
            "schemaUrl" | "schema_url" => {
                put_text(reader, name, &mut self.out, resource_spans::SCHEMA_URL)?
            }
            _ => ignore(reader)?,
        }
        Ok(())
    }

    fn scopes(&mut self, reader: &mut Reader<'_>, number: u32) -> Result<(), JsonError> {
        each_parent(reader, "scopeSpans", |reader| {
            self.all_or_none(reader, Level::Scope, |this, reader| {
                let message = begin_message(&mut this.out, number);
                each_field(reader, "scopeSpans", |reader, name| this.scope_field(reader, &name))?;
                end_message(&mut this.out, message);
                Ok(())
            })
        })
    }

    fn scope_field(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<(), ReadError> {
        match name {
            "scope" | "instrumentationLibrary" | "instrumentation_library" => {
                message_unless_empty(&mut self.out, scope_spans::SCOPE, |out| scope(reader, out))?;
            }
            "spans" => self.spans(reader)?,
            "schemaUrl" | "schema_url" => {
                put_text(reader, name, &mut self.out, scope_spans::SCHEMA_URL)?
            }
            _ => ignore(reader)?,
        }
        Ok(())
    }

    /// The spans of a scope; those that are bad are counted and left out.
    fn spans(&mut self, reader: &mut Reader<'_>) -> Result<(), JsonError> {
        let mut elements = match begin_array_of_parents(reader, "spans")? {
            Some(elements) => elements,
            None => return Ok(()),
        };
        while reader.element(&mut elements)? {
            let (text_at, out_at) = (reader.at(), self.out.len());
            match self.span(reader) {
                Ok(()) => self.spans += 1,
                Err(ReadError::Document(error)) => return Err(error),
                Err(ReadError::Span(reject)) => {
                    self.out.truncate(out_at);
                    reader.rewind(text_at);
                    reader.skip()?;
                    self.rejected.add(reject, 1);
                }
            }
            self.room.reserve(self.out.len())?;
        }
        Ok(())
    }

    fn span(&mut self, reader: &mut Reader<'_>) -> Result<(), ReadError> {
        let at = reader.at();
        if reader.null()? {
            return Err(bad_value(SpanReject::Type, at, "spans", "null", "an object"));
        }
        let message = begin_message(&mut self.out, scope_spans::SPANS);
        span(reader, &mut self.out, Depth::SPAN)?;
        end_message(&mut self.out, message);
        Ok(())
    }

    /// Reads a resource or a scope with what is under it by `read`, or, when something is wrong
    /// with it outside of its spans, rejects all of its spans.
    fn all_or_none(
        &mut self,
        reader: &mut Reader<'_>,
        level: Level,
        read: impl FnOnce(&mut Self, &mut Reader<'_>) -> Result<(), ReadError>,
    ) -> Result<(), JsonError> {
        let (text_at, out_at) = (reader.at(), self.out.len());
        let (spans, rejected) = (self.spans, self.rejected.clone());
        match read(self, reader) {
            Ok(()) => Ok(()),
            Err(ReadError::Document(error)) => Err(error),
            Err(ReadError::Span(reject)) => {
                self.out.truncate(out_at);
                (self.spans, self.rejected) = (spans, rejected);
                reader.rewind(text_at);
                let under = count_spans(reader, level)?;
                self.rejected.add(reject, under);
                Ok(())
            }
        }
    }
}

fn resource(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), ReadError> {
    each_field(reader, "resource", |reader, name| match &*name {
        "attributes" => attributes(reader, out, resource::ATTRIBUTES, Depth::RESOURCE),
        "droppedAttributesCount" | "dropped_attributes_count" => {
            put_count(reader, &name, out, resource::DROPPED_ATTRIBUTES_COUNT)
        }
        "entityRefs" | "entity_refs" => {
            each_element(reader, &name, |reader| entity_ref(reader, out))
        }
        _ => ignore(reader),
    })
}

fn entity_ref(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), ReadError> {
    let message = begin_message(out, resource::ENTITY_REFS);
    each_field(reader, "entityRefs", |reader, name| match &*name {
        "schemaUrl" | "schema_url" => put_text(reader, &name, out, entity_ref::SCHEMA_URL),
        "type" => put_text(reader, &name, out, entity_ref::TYPE),
        "idKeys" | "id_keys" => put_texts(reader, &name, out, entity_ref::ID_KEYS),
        "descriptionKeys" | "description_keys" => {
            put_texts(reader, &name, out, entity_ref::DESCRIPTION_KEYS)
        }
        _ => ignore(reader),
    })?;
    end_message(out, message);
    Ok(())
}

fn put_texts(
    reader: &mut Reader<'_>,
    field: &str,
    out: &mut Vec<u8>,
    number: u32,
) -> Result<(), ReadError> {
    each_element(reader, field, |reader| {
        if reader.peek()? != Kind::String {
            return Err(wrong_type(reader, field, "a string"));
        }
        put_bytes(out, number, reader.string()?.as_bytes());
        Ok(())
    })
}

fn scope(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), ReadError> {
    each_field(reader, "scope", |reader, name| match &*name {
        "name" => put_text(reader, &name, out, instrumentation_scope::NAME),
        "version" => put_text(reader, &name, out, instrumentation_scope::VERSION),
        "attributes" => attributes(reader, out, instrumentation_scope::ATTRIBUTES, Depth::SCOPE),
        "droppedAttributesCount" | "dropped_attributes_count" => {
            put_count(reader, &name, out, instrumentation_scope::DROPPED_ATTRIBUTES_COUNT)
        }
        _ => ignore(reader),
    })
}

/// Begins an array that holds spans further down; `None` for `null`. Another value makes the
/// request unreadable, because nobody can say how many spans it stands for.
fn begin_array_of_parents(
    reader: &mut Reader<'_>,
    field: &'static str,
) -> Result<Option<Elements>, JsonError> {
    match reader.peek()? {
        Kind::Null => reader.null().map(|_| None),
        Kind::Array => reader.array().map(Some),
        _ => Err(JsonError::Shape { at: reader.at(), field, expected: "an array" }),
    }
}

/// Gives each object of an array that holds spans further down to `each`.
fn each_parent<'a>(
    reader: &mut Reader<'a>,
    field: &'static str,
    mut each: impl FnMut(&mut Reader<'a>) -> Result<(), JsonError>,
) -> Result<(), JsonError> {
    let Some(mut elements) = begin_array_of_parents(reader, field)? else { return Ok(()) };
    while reader.element(&mut elements)? {
        match reader.peek()? {
            Kind::Null => drop(reader.null()?),
            Kind::Object => each(reader)?,
            _ => {
                let expected = "an array of objects";
                return Err(JsonError::Shape { at: reader.at(), field, expected });
            }
        }
    }
    Ok(())
}

/// What may have spans under it.
#[derive(Clone, Copy)]
enum Level {
    Resource,
    Scope,
}

/// Passes over a resource or a scope and counts the spans under it. Whatever stands elsewhere
/// than in a request is passed over, however it is named: so this calls itself once at most.
fn count_spans(reader: &mut Reader<'_>, level: Level) -> Result<u64, JsonError> {
    let mut count = 0;
    let mut fields = reader.object()?;
    while let Some(name) = reader.field(&mut fields)? {
        let name = &*name;
        match level {
            Level::Resource if SCOPES.contains(&name) || OLD_SCOPES.contains(&name) => {
                each_parent(reader, "scopeSpans", |reader| {
                    count += count_spans(reader, Level::Scope)?;
                    Ok(())
                })?;
            }
            Level::Scope if name == "spans" => {
                let Some(mut elements) = begin_array_of_parents(reader, "spans")? else { continue };
                while reader.element(&mut elements)? {
                    reader.skip()?;
                    count += 1;
                }
            }
            _ => reader.skip()?,
        }
    }
    Ok(count)
}
