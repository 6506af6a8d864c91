//! Converters of texts. Texts are bytes: lengths and places count these.

use std::borrow::Cow;

use crate::{
    convert::{
        cases, coerce,
        converter::{Accepts, Arguments, Converter, Parameter, Prepared},
        json,
    },
    error::Fault,
    pattern,
    value::{Operand, Tree, Value},
};

const TARGET: Parameter = Parameter::new("target", Accepts::Text);

pub(super) const TABLE: &[Converter] = &[
    Converter::new(
        "IsMatch",
        &[Parameter::new("target", Accepts::Any), Parameter::new("pattern", Accepts::Text)],
        is_match,
    )
    .preparing(|constants| prepare_pattern(constants.get(1))),
    Converter::new("HasPrefix", &[TARGET, Parameter::new("prefix", Accepts::Text)], |arguments| {
        let (text, prefix) = (arguments.text(0)?, arguments.text(1)?);
        Ok(Value::Bool(text.starts_with(prefix)).into())
    }),
    Converter::new("HasSuffix", &[TARGET, Parameter::new("suffix", Accepts::Text)], |arguments| {
        let (text, suffix) = (arguments.text(0)?, arguments.text(1)?);
        Ok(Value::Bool(text.ends_with(suffix)).into())
    }),
    Converter::new("TrimPrefix", &[TARGET, Parameter::new("prefix", Accepts::Text)], |arguments| {
        let (text, prefix) = (arguments.text(0)?, arguments.text(1)?);
        Ok(made(text.strip_prefix(prefix).unwrap_or(text)))
    }),
    Converter::new("TrimSuffix", &[TARGET, Parameter::new("suffix", Accepts::Text)], |arguments| {
        let (text, suffix) = (arguments.text(0)?, arguments.text(1)?);
        Ok(made(text.strip_suffix(suffix).unwrap_or(text)))
    }),
    Converter::new(
        "Trim",
        &[TARGET, Parameter::optional("replacement", Accepts::TextLiteral)],
        trim,
    ),
    Converter::new(
        "Concat",
        &[Parameter::new("vals", Accepts::List), Parameter::new("delimiter", Accepts::Text)],
        concat,
    ),
    Converter::new("Split", &[TARGET, Parameter::new("delimiter", Accepts::Text)], split),
    Converter::new(
        "Substring",
        &[
            TARGET,
            Parameter::new("start", Accepts::Int),
            Parameter::new("length", Accepts::Int),
            Parameter::optional("utf8_safe", Accepts::BoolLiteral),
        ],
        substring,
    ),
    Converter::new("ToLowerCase", &[TARGET], |arguments| {
        Ok(made(cases::mapped(arguments.text(0)?, cases::lower)))
    }),
    Converter::new("ToUpperCase", &[TARGET], |arguments| {
        Ok(made(cases::mapped(arguments.text(0)?, cases::upper)))
    }),
    Converter::new("ToSnakeCase", &[TARGET], |arguments| {
        Ok(made(cases::snake(arguments.text(0)?)))
    }),
    Converter::new("ToCamelCase", &[TARGET], |arguments| {
        Ok(made(cases::camel(arguments.text(0)?)))
    }),
    Converter::new(
        "ConvertCase",
        &[TARGET, Parameter::new("to_case", Accepts::TextLiteral)],
        |arguments| {
            let text = arguments.text(0)?;
            Ok(made(match arguments.text(1)? {
                b"lower" => cases::mapped(text, cases::lower),
                b"upper" => cases::mapped(text, cases::upper),
                b"snake" => cases::snake(text),
                _ => cases::camel(text),
            }))
        },
    )
    .preparing(|constants| match constants.get(1) {
        Some(Some(Tree::Text(case)))
            if [&b"lower"[..], b"upper", b"snake", b"camel"].contains(&&**case) =>
        {
            Ok(Prepared::Nothing)
        }
        _ => Err("`to_case` must be `lower`, `upper`, `snake` or `camel`".to_owned()),
    }),
];

fn made<'a>(text: impl Into<Vec<u8>>) -> Operand<'a> {
    Tree::text(text).into()
}

/// Compiles the pattern if it is a constant text.
pub(super) fn prepare_pattern(constant: Option<&Option<Tree>>) -> Result<Prepared, String> {
    let Some(Some(Tree::Text(text))) = constant else { return Ok(Prepared::Nothing) };
    let text = String::from_utf8_lossy(text);
    pattern::compile(&text)
        .map(Prepared::Pattern)
        .map_err(|error| format!("`{text}` is no regular expression: {}", pattern::reason(&error)))
}

fn is_match<'a>(arguments: Arguments<'_, 'a>) -> Result<Operand<'a>, Fault> {
    let Some(text) = arguments.text_like(0)? else { return Ok(Value::Bool(false).into()) };
    let pattern = arguments.pattern(1)?;
    Ok(Value::Bool(pattern.is_match(&text)).into())
}

/// Without the characters of a set at both ends.
fn trim<'a>(arguments: Arguments<'_, 'a>) -> Result<Operand<'a>, Fault> {
    let text = arguments.text(0)?;
    let set = match arguments.value(1) {
        Value::Str(set) => String::from_utf8_lossy(set),
        _ => " ".into(),
    };
    let is_of_set = |char: char| set.contains(char);
    match str::from_utf8(text) {
        Ok(text) => Ok(made(text.trim_matches(is_of_set))),
        Err(_) => {
            let is_of_set = |byte: &u8| byte.is_ascii() && is_of_set(char::from(*byte));
            let start = text.iter().position(|byte| !is_of_set(byte)).unwrap_or(text.len());
            let end = text.iter().rposition(|byte| !is_of_set(byte)).map_or(start, |last| last + 1);
            Ok(made(text.get(start..end).unwrap_or_default()))
        }
    }
}

/// The elements' texts with the delimiter between them. Elements of an attribute have other texts
/// than those of a literal where they are bytes, small numbers or not set.
fn concat<'a>(arguments: Arguments<'_, 'a>) -> Result<Operand<'a>, Fault> {
    let list = arguments.value(0);
    let delimiter = arguments.text(1)?;
    if matches!(list, Value::Nil | Value::Empty) {
        return Ok(made(""));
    }
    let items = list.items().ok_or_else(|| arguments.must_be(0, "a list"))?;
    let of_attribute = matches!(list, Value::List(_));
    let mut out = Vec::new();
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.extend_from_slice(delimiter);
        }
        let text: Cow<'_, [u8]> = match item {
            Value::Nil | Value::Empty if of_attribute => b"".into(),
            Value::Nil | Value::Empty => b"<nil>".into(),
            Value::Bytes(bytes) if of_attribute => json::base64(bytes).into_bytes().into(),
            Value::Double(number) if of_attribute => {
                json::double(number, 1).unwrap_or_default().into_bytes().into()
            }
            item => {
                let text = coerce::text(item)
                    .map_err(|()| arguments.unusable(0, "has an element that has no text form"))?;
                text.unwrap_or_default()
            }
        };
        out.extend_from_slice(&text);
    }
    Ok(made(out))
}

fn split<'a>(arguments: Arguments<'_, 'a>) -> Result<Operand<'a>, Fault> {
    let (text, delimiter) = (arguments.text(0)?, arguments.text(1)?);
    let mut parts = Vec::new();
    if delimiter.is_empty() {
        for chunk in text.utf8_chunks() {
            let mut buffer = [0; 4];
            let valid = chunk.valid().chars();
            parts.extend(valid.map(|char| Tree::text(char.encode_utf8(&mut buffer).as_bytes())));
            parts.extend(chunk.invalid().iter().map(|byte| Tree::text([*byte])));
        }
    } else {
        let mut rest = text;
        while let Some(place) = find(rest, delimiter) {
            parts.push(Tree::text(rest.get(..place).unwrap_or_default()));
            rest = rest.get(place + delimiter.len()..).unwrap_or_default();
        }
        parts.push(Tree::text(rest));
    }
    Ok(Tree::texts(parts).into())
}

/// Where `part` starts in `text`.
pub(super) fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, part)
}

fn substring<'a>(arguments: Arguments<'_, 'a>) -> Result<Operand<'a>, Fault> {
    let text = arguments.text(0)?;
    let (start, length) = (arguments.int(1)?, arguments.int(2)?);
    let start = usize::try_from(start).map_err(|_| arguments.unusable(1, "is below 0"))?;
    let length = usize::try_from(length).ok().filter(|length| *length > 0);
    let length = length.ok_or_else(|| arguments.unusable(2, "is not above 0"))?;
    let end = start.checked_add(length).filter(|end| *end <= text.len());
    let mut end = end.ok_or_else(|| arguments.unusable(2, "leads beyond the end of the text"))?;
    let mut start = start;
    if matches!(arguments.value(3), Value::Bool(true)) {
        let is_inside = |at: usize| text.get(at).is_some_and(|byte| (byte & 0xc0) == 0x80);
        while start < end && is_inside(start) {
            start += 1;
        }
        while end > start && is_inside(end) {
            end -= 1;
        }
    }
    Ok(made(text.get(start..end).unwrap_or_default()))
}
