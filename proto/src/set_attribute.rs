//! Sets attributes of a span, a scope or a resource, without decoding it.

use crate::{
    otlp::numbers::{
        any_value::{BOOL_VALUE, INT_VALUE, STRING_VALUE},
        instrumentation_scope,
        key_value::{KEY, VALUE},
        resource,
        resource_spans::RESOURCE,
        scope_spans::SCOPE,
        span,
    },
    wire::{
        Cursor, Field, Value, delimited_len, put_bytes, put_delimited_head, put_uint, varint_len,
    },
};

/// An attribute to set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its key.
    pub key: &'a str,
    /// Its value.
    pub value: AttributeValue<'a>,
}

/// The value of an attribute to set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttributeValue<'a> {
    /// The truth.
    True,
    /// A whole number.
    Int(u64),
    /// A text.
    Text(&'a str),
}

impl Attribute<'_> {
    /// How many bytes more a message has, at most, when this is set.
    #[must_use]
    pub const fn max_len(&self) -> usize {
        // A tag and a length each: of the attribute, its key, its value, and the text in that.
        let heads = 4 * 6;
        let value = match self.value {
            AttributeValue::Text(text) => text.len(),
            AttributeValue::True | AttributeValue::Int(_) => 10,
        };
        heads + self.key.len() + value
    }

    fn value_len(&self) -> usize {
        match self.value {
            AttributeValue::True => 2,
            AttributeValue::Int(number) => 1 + varint_len(number),
            AttributeValue::Text(text) => delimited_len(STRING_VALUE, text.len()),
        }
    }

    /// Appends it as the field `number` of a message.
    fn append_to(&self, number: u32, out: &mut Vec<u8>) {
        let value_len = self.value_len();
        let len = delimited_len(KEY, self.key.len()) + delimited_len(VALUE, value_len);
        put_delimited_head(out, number, len);
        put_bytes(out, KEY, self.key.as_bytes());
        put_delimited_head(out, VALUE, value_len);
        match self.value {
            AttributeValue::True => put_uint(out, BOOL_VALUE, 1),
            AttributeValue::Int(value) => put_uint(out, INT_VALUE, value),
            AttributeValue::Text(text) => put_bytes(out, STRING_VALUE, text.as_bytes()),
        }
    }
}

/// Appends to `out` the bytes of the span `body` with the attribute `key` set to true, whatever it
/// was set to before. A malformed span is appended as it is.
pub fn append_with_true(body: &[u8], key: &str, out: &mut Vec<u8>) {
    append_with(body, &[Attribute { key, value: AttributeValue::True }], out);
}

/// Appends to `out` the bytes of the span `body` with these attributes, each of another key,
/// whatever they were before. A malformed span is appended as it is.
pub fn append_with(body: &[u8], attributes: &[Attribute<'_>], out: &mut Vec<u8>) {
    set(body, span::ATTRIBUTES, attributes, out);
}

/// Appends to `out` the bytes of the head of a scope (the fields of a `ScopeSpans` but for the
/// spans), with these attributes of the scope, each of another key, whatever they were before. A
/// malformed head is appended as it is.
pub fn append_scope_with(head: &[u8], attributes: &[Attribute<'_>], out: &mut Vec<u8>) {
    set_in_head(head, SCOPE, instrumentation_scope::ATTRIBUTES, attributes, out);
}

/// Appends to `out` the bytes of the head of a resource (the fields of a `ResourceSpans` but for
/// the scopes), with these attributes of the resource, each of another key, whatever they were
/// before. A malformed head is appended as it is.
pub fn append_resource_with(head: &[u8], attributes: &[Attribute<'_>], out: &mut Vec<u8>) {
    set_in_head(head, RESOURCE, resource::ATTRIBUTES, attributes, out);
}

/// Appends `head`, whose field `owner` is the message that has the attributes as fields `number`,
/// with these set.
fn set_in_head(
    head: &[u8],
    owner: u32,
    number: u32,
    attributes: &[Attribute<'_>],
    out: &mut Vec<u8>,
) {
    let (mut body, mut rest) = (Vec::new(), Vec::new());
    let mut fields = Cursor::new(head);
    loop {
        match fields.next_field() {
            // Bodies of a message that is given in several pieces are one when they are joined.
            Ok(Some(Field { number, value: Value::Bytes(part), .. })) if number == owner => {
                body.extend_from_slice(part);
            }
            Ok(Some(field)) => rest.extend_from_slice(head.get(field.range).unwrap_or_default()),
            Ok(None) => break,
            Err(_) => return out.extend_from_slice(head),
        }
    }
    let mut changed = Vec::with_capacity(body.len());
    set(&body, number, attributes, &mut changed);
    put_bytes(out, owner, &changed);
    out.extend_from_slice(&rest);
}

/// Appends the message `body`, whose attributes are the fields `number`, with these set.
fn set(body: &[u8], number: u32, attributes: &[Attribute<'_>], out: &mut Vec<u8>) {
    let start = out.len();
    let mut fields = Cursor::new(body);
    let mut copied = 0;
    loop {
        match fields.next_field() {
            Ok(Some(field)) if sets(&field, number, attributes) => {
                out.extend_from_slice(body.get(copied..field.range.start).unwrap_or_default());
                copied = field.range.end;
            }
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(_) => {
                out.truncate(start);
                out.extend_from_slice(body);
                return;
            }
        }
    }
    out.extend_from_slice(body.get(copied..).unwrap_or_default());
    attributes.iter().for_each(|attribute| attribute.append_to(number, out));
}

/// Whether `field` of a message, whose attributes are the fields `number`, is one of these.
fn sets(field: &Field<'_>, number: u32, attributes: &[Attribute<'_>]) -> bool {
    let Value::Bytes(attribute) = field.value else { return false };
    if field.number != number {
        return false;
    }
    let (mut fields, mut found) = (Cursor::new(attribute), false);
    while let Ok(Some(field)) = fields.next_field() {
        if field.number == KEY {
            let is = |one: &Attribute<'_>| field.value == Value::Bytes(one.key.as_bytes());
            // The last one counts.
            found = attributes.iter().any(is);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::otlp::{
        AnyValue, InstrumentationScope, KeyValue, Resource, ResourceSpans, ScopeSpans, Span,
        any_value::Value as Any,
    };

    fn attribute(key: &str, value: Any) -> KeyValue {
        KeyValue {
            key: key.into(),
            value: Some(AnyValue { value: Some(value) }),
            ..KeyValue::default()
        }
    }

    fn with_true(span: &Span) -> Span {
        let mut out = b"before".to_vec();
        append_with_true(&span.encode_to_vec(), "late", &mut out);
        Span::decode(out.strip_prefix(b"before").unwrap()).unwrap()
    }

    #[test]
    fn the_attribute_is_set_once_and_all_else_stays() {
        let plain = Span {
            name: "work".into(),
            attributes: vec![attribute("later", Any::IntValue(3))],
            ..Span::default()
        };
        let mut expected = plain.clone();
        expected.attributes.push(attribute("late", Any::BoolValue(true)));
        assert_eq!(with_true(&plain), expected);
        for value in [Any::BoolValue(true), Any::StringValue("no".into())] {
            let mut given = plain.clone();
            given.attributes.insert(0, attribute("late", value));
            assert_eq!(with_true(&given), expected);
        }
        assert_eq!(with_true(&expected), expected);
    }

    const RECORDED: [Attribute<'static>; 3] = [
        Attribute { key: "policy", value: AttributeValue::Text("errors") },
        Attribute { key: "cached", value: AttributeValue::True },
        Attribute { key: "SampleRate", value: AttributeValue::Int(300) },
    ];

    fn recorded() -> [KeyValue; 3] {
        [
            attribute("policy", Any::StringValue("errors".into())),
            attribute("cached", Any::BoolValue(true)),
            attribute("SampleRate", Any::IntValue(300)),
        ]
    }

    #[test]
    fn several_attributes_are_set_at_once() {
        let given = vec![attribute("policy", Any::IntValue(1)), attribute("a", Any::IntValue(2))];
        let span = Span { name: "work".into(), attributes: given, ..Span::default() };
        let (before, mut out) = (span.encode_to_vec(), Vec::new());
        append_with(&before, &RECORDED, &mut out);
        let more: usize = RECORDED.iter().map(Attribute::max_len).sum();
        assert!(out.len() <= before.len() + more);
        let [policy, cached, rate] = recorded();
        let attributes = vec![attribute("a", Any::IntValue(2)), policy, cached, rate];
        assert_eq!(Span::decode(&*out).unwrap(), Span { attributes, ..span });
    }

    /// Also where its parts are in several places.
    #[test]
    fn attributes_of_a_scope_are_set() {
        let part = |name: &str, attributes: Vec<KeyValue>| {
            let scope = InstrumentationScope {
                name: name.into(),
                attributes,
                ..InstrumentationScope::default()
            };
            let mut field = Vec::new();
            put_bytes(&mut field, SCOPE, &scope.encode_to_vec());
            field
        };
        let old = || vec![attribute("policy", Any::StringValue("old".into()))];
        let mut head = part("tracer", old());
        put_bytes(&mut head, 3, b"https://schema");
        head.extend(part("", vec![attribute("a", Any::IntValue(2))]));
        for (head, attributes) in
            [(head, vec![attribute("a", Any::IntValue(2))]), (part("tracer", vec![]), vec![])]
        {
            let mut out = Vec::new();
            append_scope_with(&head, &RECORDED, &mut out);
            let [policy, cached, rate] = recorded();
            let attributes = attributes.into_iter().chain([policy, cached, rate]).collect();
            let mut expected = ScopeSpans::decode(&*head).unwrap();
            expected.scope.as_mut().unwrap().attributes = attributes;
            assert_eq!(ScopeSpans::decode(&*out).unwrap(), expected);
        }
        let mut out = Vec::new();
        append_scope_with(&[], &RECORDED[..1], &mut out);
        let scope = ScopeSpans::decode(&*out).unwrap().scope.unwrap();
        assert_eq!(scope.attributes, recorded()[..1]);
        append_scope_with(b"\x0a", &RECORDED, &mut out);
        assert_eq!(out.last(), Some(&0x0a), "a malformed head stays as it is");
    }

    #[test]
    fn attributes_of_a_resource_are_set() {
        let given = vec![attribute("policy", Any::IntValue(1)), attribute("a", Any::IntValue(2))];
        let resource = Resource { attributes: given, dropped_attributes_count: 3, ..default() };
        let head = ResourceSpans { resource: Some(resource), schema_url: "s".into(), ..default() };
        let mut out = Vec::new();
        append_resource_with(&head.encode_to_vec(), &RECORDED, &mut out);
        let mut expected = head;
        let [policy, cached, rate] = recorded();
        expected.resource.as_mut().unwrap().attributes =
            vec![attribute("a", Any::IntValue(2)), policy, cached, rate];
        assert_eq!(ResourceSpans::decode(&*out).unwrap(), expected);
    }

    fn default<T: Default>() -> T {
        T::default()
    }

    #[test]
    fn a_malformed_span_stays_as_it_is() {
        for body in [&b"\x4a\x06\x0a\x04late\x4a\xff"[..], b"\x0a"] {
            let mut out = Vec::new();
            append_with_true(body, "late", &mut out);
            assert_eq!(out, body);
        }
    }
}
