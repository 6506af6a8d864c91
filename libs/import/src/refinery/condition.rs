//! Conditions of rules, as policies.

use serde_json::{Value, json};

use crate::{
    document::words,
    refinery::field::{Field, text},
};

/// A condition: a test of one span, or a policy of its own.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Test {
    /// An expression of OTTL, true of a span.
    Span(String),
    /// What is true of a trace, not of one of its spans.
    Trace(Value),
}

/// The test that `condition` makes; else what keeps it from being one.
pub(crate) fn test(condition: &Value) -> Result<Test, String> {
    let operator = condition.get("Operator").and_then(Value::as_str).unwrap_or_default();
    let operator = operator.to_ascii_lowercase();
    let value = condition.get("Value").unwrap_or(&Value::Null);
    if operator == "has-root-span" {
        let root = policy("has a root", "IsRootSpan()");
        let negated = value.as_bool() == Some(false) || value.as_str() == Some("false");
        return Ok(Test::Trace(if negated { not("has no root", &root) } else { root }));
    }
    let mut names = words(condition.get("Fields"));
    names.extend(words(condition.get("Field")));
    let Some(first) = names.first() else { return Err("it names no field".to_owned()) };
    let is_root = first.starts_with("root.");
    if names.iter().any(|name| name.starts_with("root.") != is_root) {
        return Err("some of its fields are of the root, and some are not".to_owned());
    }
    let names: Vec<&str> =
        names.iter().map(|name| name.strip_prefix("root.").unwrap_or(name)).collect();
    let datatype = condition.get("Datatype").and_then(Value::as_str).unwrap_or_default();
    let asked = Asked { operator: &operator, value, datatype };
    let expression = match names.iter().map(|name| Field::of(name)).collect::<Vec<_>>().as_slice() {
        [Field::Count] => return asked.count().map(Test::Trace),
        [Field::Duration] => asked.duration()?,
        [Field::Parent] => asked.parent()?,
        [Field::Error] => asked.error()?,
        [Field::Kind] => asked.kind()?,
        fields => {
            let mut paths = Vec::new();
            for (field, name) in fields.iter().zip(&names) {
                match field {
                    Field::Paths(more) => paths.extend(more.iter().cloned()),
                    _ => {
                        return Err(format!(
                            "spans have no field `{name}` here, or not beside others"
                        ));
                    }
                }
            }
            asked.first_of(&paths)?
        }
    };
    Ok(if is_root {
        Test::Trace(policy("root", &format!("IsRootSpan() and {}", grouped(&expression))))
    } else {
        Test::Span(expression)
    })
}

/// The policy that keeps traces with a text of `values` under the key of `condition`, if that is all
/// that it asks.
pub(crate) fn plain(condition: &Value) -> Option<Value> {
    let operator = condition.get("Operator").and_then(Value::as_str)?;
    let key = condition.get("Field").and_then(Value::as_str)?;
    let datatype = condition.get("Datatype").and_then(Value::as_str).unwrap_or("string");
    let is_equal = ["=", "==", "in"].contains(&operator.to_ascii_lowercase().as_str());
    let value = condition.get("Value")?;
    let values = match value {
        Value::Array(items) => items.clone(),
        value => vec![value.clone()],
    };
    let are_words = !values.is_empty()
        && values.iter().all(|value| value.as_str().is_some_and(|text| !text.is_empty()));
    (is_equal && datatype == "string" && are_words && Field::is_attribute(key)).then(|| {
        json!({
            "name": key, "type": "string_attribute",
            "string_attribute": { "key": key, "values": values },
        })
    })
}

/// A policy that keeps traces with a span for which `expression` holds.
pub(crate) fn policy(name: &str, expression: &str) -> Value {
    json!({ "name": name, "type": "ottl_condition", "ottl_condition": { "span": [expression] } })
}

/// A policy that keeps what `of` would not keep.
pub(crate) fn not(name: &str, of: &Value) -> Value {
    json!({ "name": name, "type": "not", "not": { "not_sub_policy": of } })
}

/// `expression` as a part of a larger one.
pub(crate) fn grouped(expression: &str) -> String {
    if expression.contains(" or ") { format!("({expression})") } else { expression.to_owned() }
}

/// What is asked of a field.
struct Asked<'a> {
    operator: &'a str,
    value: &'a Value,
    datatype: &'a str,
}

impl Asked<'_> {
    /// Of the first of `paths` that has a value.
    fn first_of(&self, paths: &[String]) -> Result<String, String> {
        if self.operator == "not-exists" {
            let missing: Vec<String> = paths.iter().map(|path| format!("{path} == nil")).collect();
            return Ok(missing.join(" and "));
        }
        let mut ways = Vec::new();
        let mut missing = String::new();
        for path in paths {
            let holds = self.of(path)?;
            ways.push(if missing.is_empty() {
                holds
            } else {
                format!("({missing}{})", grouped(&holds))
            });
            missing = format!("{missing}{path} == nil and ");
        }
        Ok(ways.join(" or "))
    }

    fn of(&self, path: &str) -> Result<String, String> {
        let read = match self.datatype {
            "int" => format!("Int({path})"),
            "float" => format!("Double({path})"),
            "string" => format!("String({path})"),
            _ => path.to_owned(),
        };
        let word = || self.word();
        Ok(match self.operator {
            "exists" => format!("{path} != nil"),
            "=" | "==" => format!("{read} == {}", self.literal(self.value)?),
            "!=" => format!("{path} != nil and {read} != {}", self.literal(self.value)?),
            operator @ (">" | ">=" | "<" | "<=") => {
                format!("{read} {operator} {}", self.literal(self.value)?)
            }
            "starts-with" => {
                format!("IsMatch({path}, {})", text(&format!("^{}", escaped(&word()?))))
            }
            "contains" => format!("IsMatch({path}, {})", text(&escaped(&word()?))),
            "does-not-contain" => {
                format!("{path} != nil and not IsMatch({path}, {})", text(&escaped(&word()?)))
            }
            "matches" => format!("IsMatch({path}, {})", text(&word()?)),
            "in" => self.one_of(&read)?,
            "not-in" => format!("{path} != nil and not ({})", self.one_of(&read)?),
            other => return Err(format!("there is no operator like `{other}`")),
        })
    }

    fn one_of(&self, read: &str) -> Result<String, String> {
        let Value::Array(values) = self.value else {
            return Err("`in` is without a list of values".to_owned());
        };
        let each = values.iter().map(|value| Ok(format!("{read} == {}", self.literal(value)?)));
        let each: Vec<String> = each.collect::<Result<_, String>>()?;
        if each.is_empty() { Ok("false".to_owned()) } else { Ok(each.join(" or ")) }
    }

    fn word(&self) -> Result<String, String> {
        match self.value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            _ => Err(format!("`{}` wants a text", self.operator)),
        }
    }

    /// A value, as the datatype reads it.
    fn literal(&self, value: &Value) -> Result<String, String> {
        let plain = match value {
            Value::String(text) => text.clone(),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                return Err("it compares with no value".to_owned());
            }
            other => other.to_string(),
        };
        let number = plain.parse::<f64>().map_err(|_| format!("`{plain}` is no number"));
        match self.datatype {
            "int" => Ok(number?.trunc().to_string()),
            "float" => Ok(format!("{:?}", number?)),
            "string" => Ok(text(&plain)),
            "bool" => {
                let truth = plain.parse::<bool>().map_err(|_| format!("`{plain}` is no truth"));
                Ok(truth?.to_string())
            }
            _ if value.is_string() => Ok(text(&plain)),
            _ => Ok(plain),
        }
    }

    fn number(&self) -> Result<f64, String> {
        match self.value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
        .ok_or_else(|| "it compares with no number".to_owned())
    }

    fn duration(&self) -> Result<String, String> {
        const NANOSECONDS: &str = "span.end_time_unix_nano - span.start_time_unix_nano";
        let operator = match self.operator {
            operator @ (">" | ">=" | "<" | "<=" | "!=") => operator,
            "=" | "==" => "==",
            "exists" => return Ok("true".to_owned()),
            other => return Err(format!("`{other}` says nothing of a duration")),
        };
        let nanoseconds = (self.number()? * 1e6).round() as i64;
        Ok(format!("{NANOSECONDS} {operator} {nanoseconds}"))
    }

    fn parent(&self) -> Result<String, String> {
        match self.operator {
            "exists" => Ok("not IsRootSpan()".to_owned()),
            "not-exists" => Ok("IsRootSpan()".to_owned()),
            _ => self.of("span.parent_span_id.string"),
        }
    }

    fn error(&self) -> Result<String, String> {
        const FAILED: &str = "span.status.code == STATUS_CODE_ERROR";
        const KEY: &str = "span.attributes[\"error\"]";
        let wants = self.value.as_bool().or_else(|| self.value.as_str()?.parse().ok());
        match (self.operator, wants) {
            ("exists", _) => Ok(format!("{FAILED} or {KEY} != nil")),
            ("not-exists", _) => Ok(format!("not ({FAILED}) and {KEY} == nil")),
            ("=" | "==", Some(true)) | ("!=", Some(false)) => {
                Ok(format!("{FAILED} or {KEY} == true"))
            }
            _ => self.of(KEY),
        }
    }

    fn kind(&self) -> Result<String, String> {
        const KINDS: [&str; 5] = ["INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];
        let of = |value: &Value| {
            let word = value.as_str().unwrap_or_default().to_ascii_uppercase();
            let kind = KINDS.iter().find(|kind| **kind == word);
            kind.map(|kind| format!("span.kind == SPAN_KIND_{kind}"))
                .ok_or_else(|| format!("there is no kind of span `{value}`"))
        };
        match (self.operator, self.value) {
            ("=" | "==", value) => of(value),
            ("!=", value) => Ok(format!("not ({})", of(value)?)),
            ("in", Value::Array(values)) => {
                let each: Vec<String> = values.iter().map(of).collect::<Result<_, String>>()?;
                Ok(each.join(" or "))
            }
            ("exists", _) => Ok("true".to_owned()),
            (other, _) => Err(format!("`{other}` says nothing of the kind of a span")),
        }
    }

    fn count(&self) -> Result<Value, String> {
        let number = self.number()?.round() as i64;
        let spans =
            |body: Value| json!({ "name": "spans", "type": "span_count", "span_count": body });
        Ok(match self.operator {
            ">" => spans(json!({ "min_spans": number.saturating_add(1) })),
            ">=" => spans(json!({ "min_spans": number })),
            "<" => spans(json!({ "max_spans": number.saturating_sub(1) })),
            "<=" => spans(json!({ "max_spans": number })),
            "=" | "==" => spans(json!({ "min_spans": number, "max_spans": number })),
            "!=" => not("other spans", &spans(json!({ "min_spans": number, "max_spans": number }))),
            other => return Err(format!("`{other}` says nothing of a number of spans")),
        })
    }
}

/// `text` as a pattern that matches just it.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for one in text.chars() {
        if r"\.+*?()|[]{}^$".contains(one) {
            out.push('\\');
        }
        out.push(one);
    }
    out
}

#[cfg(test)]
mod tests {
    use wholetrace_ottl::{Condition, Context};

    use super::*;

    #[test]
    fn conditions_are_expressions() {
        for (condition, expected) in [
            (
                json!({ "Field": "http.status_code", "Operator": ">=", "Value": 500 }),
                r#"span.attributes["http.status_code"] >= 500"#,
            ),
            (
                json!({ "Field": "size", "Operator": "<", "Value": "1.5", "Datatype": "float" }),
                r#"Double(span.attributes["size"]) < 1.5 or (span.attributes["size"] == nil and Double(resource.attributes["size"]) < 1.5)"#,
            ),
            (
                json!({ "Field": "service.name", "Operator": "!=", "Value": "a\"b" }),
                r#"resource.attributes["service.name"] != nil and resource.attributes["service.name"] != "a\"b""#,
            ),
            (
                json!({ "Field": "http.route", "Operator": "starts-with", "Value": "/a.b$" }),
                r#"IsMatch(span.attributes["http.route"], "^/a\\.b\\$$")"#,
            ),
            (
                json!({ "Field": "http.route", "Operator": "does-not-contain", "Value": "x" }),
                r#"span.attributes["http.route"] != nil and not IsMatch(span.attributes["http.route"], "x")"#,
            ),
            (
                json!({ "Fields": ["http.a", "http.b"], "Operator": "=", "Value": "7", "Datatype": "int" }),
                r#"Int(span.attributes["http.a"]) == 7 or (span.attributes["http.a"] == nil and Int(span.attributes["http.b"]) == 7)"#,
            ),
            (
                json!({ "Field": "http.a", "Operator": "not-in", "Value": ["x", "y"] }),
                r#"span.attributes["http.a"] != nil and not (span.attributes["http.a"] == "x" or span.attributes["http.a"] == "y")"#,
            ),
            (
                json!({ "Field": "team", "Operator": "not-exists" }),
                r#"span.attributes["team"] == nil and resource.attributes["team"] == nil"#,
            ),
            (
                json!({ "Field": "duration_ms", "Operator": ">", "Value": 1.5 }),
                "span.end_time_unix_nano - span.start_time_unix_nano > 1500000",
            ),
            (json!({ "Field": "trace.parent_id", "Operator": "not-exists" }), "IsRootSpan()"),
            (
                json!({ "Field": "http.hit", "Operator": "=", "Value": "true", "Datatype": "bool" }),
                r#"span.attributes["http.hit"] == true"#,
            ),
            (
                json!({ "Field": "error", "Operator": "=", "Value": true }),
                r#"span.status.code == STATUS_CODE_ERROR or span.attributes["error"] == true"#,
            ),
            (
                json!({ "Field": "span.kind", "Operator": "In", "Value": ["server", "client"] }),
                "span.kind == SPAN_KIND_SERVER or span.kind == SPAN_KIND_CLIENT",
            ),
        ] {
            assert_eq!(test(&condition), Ok(Test::Span(expected.to_owned())), "{condition}");
            // As it is once the file is loaded.
            let loaded = expected.replace("$$", "$");
            let parsed = Condition::parse(&loaded, Context::Span);
            assert!(parsed.is_ok(), "{loaded}: {:?}", parsed.err());
        }
    }

    #[test]
    fn some_are_policies_of_their_own() {
        let root = json!({ "Field": "root.http.route", "Operator": "exists" });
        let expected = policy("root", r#"IsRootSpan() and span.attributes["http.route"] != nil"#);
        assert_eq!(test(&root), Ok(Test::Trace(expected)));
        let count = json!({ "Field": "?.NUM_DESCENDANTS", "Operator": ">", "Value": 100 });
        let Ok(Test::Trace(count)) = test(&count) else { panic!() };
        assert_eq!(count["span_count"], json!({ "min_spans": 101 }));
        let missing = json!({ "Operator": "has-root-span", "Value": false });
        let Ok(Test::Trace(missing)) = test(&missing) else { panic!() };
        assert_eq!(missing["type"], "not");
    }

    #[test]
    fn what_cannot_be_said_is_told() {
        for condition in [
            json!({ "Operator": "=" }),
            json!({ "Field": "meta.annotation_type", "Operator": "exists" }),
            json!({ "Field": "a", "Operator": "sounds-like", "Value": "b" }),
            json!({ "Field": "a", "Operator": ">", "Value": "b", "Datatype": "int" }),
            json!({ "Fields": ["root.a", "b"], "Operator": "exists" }),
        ] {
            assert!(test(&condition).is_err(), "{condition}");
        }
    }
}
