//! Converters of texts.

use crate::{
    convert::converter::{Accepts, Arguments, Converter, Parameter, Prepared},
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
];

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
    let found = match arguments.prepared {
        Prepared::Pattern(pattern) => pattern.is_match(&text),
        _ => {
            let written = String::from_utf8_lossy(arguments.text(1)?);
            let pattern = pattern::compile_small(&written)
                .map_err(|_| arguments.unusable(1, "is no regular expression"))?;
            pattern.is_match(&text)
        }
    };
    Ok(Value::Bool(found).into())
}
