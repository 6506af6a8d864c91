//! Attributes that the reader of Jaeger makes of fields.

use super::super::encode::{FLAGS_ATTRIBUTE, PROCESS_ID_ATTRIBUTE, WARNINGS_ATTRIBUTE};
use crate::otlp::{KeyValue, any_value::Value};
use crate::translated::{KEEP_ATTRIBUTE, KEEP_JAEGER_DEBUG};

/// An attribute that the reader of Jaeger makes of a field, and which is that field again.
pub(super) enum OwnField<'s> {
    Debug,
    Flags(u32),
    ProcessId(&'s str),
    Warnings(Vec<&'s str>),
}

/// What field it is.
pub(super) fn own_field(attribute: &KeyValue) -> Option<OwnField<'_>> {
    let value = attribute.value.as_ref()?.value.as_ref()?;
    match (attribute.key.as_str(), value) {
        (KEEP_ATTRIBUTE, Value::StringValue(keep)) if keep == KEEP_JAEGER_DEBUG => {
            Some(OwnField::Debug)
        }
        (FLAGS_ATTRIBUTE, Value::IntValue(flags)) => {
            u32::try_from(*flags).ok().map(OwnField::Flags)
        }
        (PROCESS_ID_ATTRIBUTE, Value::StringValue(id)) => Some(OwnField::ProcessId(id)),
        (WARNINGS_ATTRIBUTE, Value::ArrayValue(list)) => {
            let texts = list.values.iter().map(|value| match &value.value {
                Some(Value::StringValue(text)) => Some(text.as_str()),
                _ => None,
            });
            texts.collect::<Option<Vec<_>>>().map(OwnField::Warnings)
        }
        _ => None,
    }
}
