//! The part of kept spans that an exporter takes: those of resources for which its condition holds.

use bytes::{Bytes, BytesMut};
use wholetrace_ottl::{Condition, Context, Path, Problem, Value};
use wholetrace_proto::{
    otlp::numbers::{key_value, resource, resource_spans, traces_data::RESOURCE_SPANS},
    spans::count,
    wire::{Cursor, Value as Wire, WireError},
};
use wholetrace_runtime::problems::Problems;

use crate::contract::KeptSpans;

/// A condition on resources. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Only(Condition);

impl Only {
    /// Reads a condition.
    ///
    /// # Errors
    /// What is wrong with it, in one line.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let condition = Condition::parse(text, Context::Resource);
        condition.map(Self).map_err(|problems| {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            format!("`only` is no condition on a resource: {}", problems.join("; "))
        })
    }

    /// What of `kept` the exporter takes: all of it as it is, a copy of a part, or nothing.
    pub(crate) fn select(&self, kept: KeptSpans) -> Option<KeptSpans> {
        // Messages that cannot be walked are judged by who sends them.
        match self.part(&kept.bytes) {
            Err(_) | Ok(Part::Whole) => Some(kept),
            Ok(Part::Nothing) => None,
            Ok(Part::Some { bytes, spans }) => Some(KeptSpans { bytes, spans, ..kept }),
        }
    }

    fn part(&self, message: &[u8]) -> Result<Part, WireError> {
        let (mut taken, mut left) = (Vec::new(), false);
        let mut fields = Cursor::new(message);
        while let Some(field) = fields.next_field()? {
            if field.number != RESOURCE_SPANS || self.holds(field.bytes("TracesData")?)? {
                taken.push(field.range);
            } else {
                left = true;
            }
        }
        if !left {
            return Ok(Part::Whole);
        }
        let mut bytes = BytesMut::new();
        for range in taken {
            bytes.extend_from_slice(message.get(range).unwrap_or_default());
        }
        match count(&bytes)? {
            0 => Ok(Part::Nothing),
            spans => {
                let spans = u32::try_from(spans).unwrap_or(u32::MAX);
                Ok(Part::Some { bytes: bytes.freeze(), spans })
            }
        }
    }

    /// Whether it holds for the resource of a `ResourceSpans`. Where it has no answer, the spans are
    /// taken: twice is better than nowhere.
    fn holds(&self, resource_spans: &[u8]) -> Result<bool, WireError> {
        let paths = self.0.paths();
        let mut values: Vec<Value<'_>> = paths.iter().map(Path::empty).collect();
        let mut fields = Cursor::new(resource_spans);
        while let Some(field) = fields.next_field()? {
            let Wire::Bytes(bytes) = field.value else { continue };
            match field.number {
                resource_spans::RESOURCE => read_resource(bytes, paths, &mut values)?,
                resource_spans::SCHEMA_URL => {
                    set(paths, &mut values, &Path::ResourceSchemaUrl, Value::Str(bytes));
                }
                _ => {}
            }
        }
        Ok(self.0.evaluate(values.as_slice()).unwrap_or(true))
    }
}

enum Part {
    Whole,
    Some { bytes: Bytes, spans: u32 },
    Nothing,
}

/// Reads what `paths` name in the body of a resource.
fn read_resource<'a>(
    body: &'a [u8],
    paths: &[Path],
    values: &mut [Value<'a>],
) -> Result<(), WireError> {
    let whole = Value::Map { message: body, field: resource::ATTRIBUTES };
    set(paths, values, &Path::ResourceAttributes, whole);
    let mut fields = Cursor::new(body);
    while let Some(field) = fields.next_field()? {
        match (field.number, field.value) {
            (resource::ATTRIBUTES, Wire::Bytes(attribute)) => {
                read_attribute(attribute, paths, values)?;
            }
            (resource::DROPPED_ATTRIBUTES_COUNT, Wire::Varint(count)) => {
                let path = Path::ResourceDroppedAttributesCount;
                set(paths, values, &path, Value::Int(count.cast_signed()));
            }
            _ => {}
        }
    }
    Ok(())
}

fn read_attribute<'a>(
    attribute: &'a [u8],
    paths: &[Path],
    values: &mut [Value<'a>],
) -> Result<(), WireError> {
    let (mut key, mut value) = (&attribute[..0], Value::Empty);
    let mut fields = Cursor::new(attribute);
    while let Some(field) = fields.next_field()? {
        match (field.number, field.value) {
            (key_value::KEY, Wire::Bytes(bytes)) => key = bytes,
            (key_value::VALUE, Wire::Bytes(bytes)) => value = Value::of_any_value(bytes),
            _ => {}
        }
    }
    for (path, place) in paths.iter().zip(values) {
        // The first of a key counts.
        let asked = path.attribute_key().is_some_and(|asked| asked.as_bytes() == key);
        if asked && *place == Value::Nil {
            *place = value;
        }
    }
    Ok(())
}

fn set<'a>(paths: &[Path], values: &mut [Value<'a>], path: &Path, value: Value<'a>) {
    for (_, place) in paths.iter().zip(values).filter(|(asked, _)| *asked == path) {
        *place = value;
    }
}

/// Adds what is wrong with the condition `text` at `path`.
pub(crate) fn check(text: &str, path: &str, problems: &mut Problems) {
    let hint = |problem: &Problem| {
        let usual = r#"write it as in `attributes["deployment.environment.name"] == "prod"`"#;
        problem.hint.clone().unwrap_or_else(|| usual.to_owned())
    };
    let told = |Problem { line, column, message, .. }: &Problem| {
        format!("at line {line}, column {column}: {message}")
    };
    match Condition::parse(text, Context::Resource) {
        Ok(condition) => {
            for problem in condition.warnings() {
                problems.warn(path, told(problem), hint(problem));
            }
        }
        Err(wrong) => {
            for problem in &wrong {
                problems.error(path, told(problem), hint(problem));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        contract::Ticket,
        testing::{Span, frame, ids},
    };

    /// Seven spans of three resources, `service-0` to `service-2`.
    fn kept() -> KeptSpans {
        let span = |id| Span { key: id, id, ..Span::default() };
        let spans: Vec<Span> = (1..=7).map(span).collect();
        let ticket = Ticket { partition: 1, position: 2, piece: 3 };
        KeptSpans { bytes: frame(&spans), spans: 7, ticket }
    }

    fn taken(condition: &str) -> Vec<u64> {
        let selected = Only::parse(condition).unwrap().select(kept());
        selected.map_or_else(Vec::new, |selected| {
            assert_eq!(selected.ticket, kept().ticket);
            let ids = ids(&selected.bytes);
            assert_eq!(selected.spans as usize, ids.len());
            ids
        })
    }

    #[test]
    fn spans_are_taken_by_their_resource() {
        for (condition, expected) in [
            (r#"attributes["service.name"] == "service-1""#, vec![4, 5, 6]),
            (r#"resource.attributes["service.name"] != "service-1""#, vec![1, 2, 3, 7]),
            (r#"IsMatch(attributes["service.name"], "-[02]$")"#, vec![1, 2, 3, 7]),
            (r#"attributes["zone"] == nil"#, vec![1, 2, 3, 4, 5, 6, 7]),
            (r#"attributes["zone"] == "a""#, vec![]),
            (r#"Len(attributes) == 1 and schema_url == """#, vec![1, 2, 3, 4, 5, 6, 7]),
            ("dropped_attributes_count > 0", vec![]),
            // No answer: they are taken.
            (r#"Int(Split(attributes["service.name"], "-")) > 1"#, vec![1, 2, 3, 4, 5, 6, 7]),
        ] {
            assert_eq!(taken(condition), expected, "{condition}");
        }
    }

    /// Where an exporter takes all, nothing is copied.
    #[test]
    fn what_is_taken_whole_is_the_same_bytes() {
        let kept = kept();
        let all = Only::parse(r#"attributes["service.name"] != nil"#).unwrap();
        let selected = all.select(kept.clone()).unwrap();
        assert_eq!(selected.bytes.as_ptr(), kept.bytes.as_ptr());
    }

    #[test]
    fn the_parts_of_two_exporters_are_the_whole() {
        let one = taken(r#"attributes["service.name"] == "service-0""#);
        let other = taken(r#"not (attributes["service.name"] == "service-0")"#);
        let mut both = [one, other].concat();
        both.sort_unstable();
        assert_eq!(both, ids(&kept().bytes));
    }

    #[test]
    fn conditions_on_spans_are_no_conditions_on_resources() {
        let error = Only::parse(r#"span.name == "x""#).unwrap_err();
        assert!(error.contains("`only`") && error.contains("span.name"), "{error}");
    }
}
