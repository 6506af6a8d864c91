//! Values as YAML, as people write it: short maps on one line, comments above what they are about.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::{Map, Value};

use crate::document::parsed;

/// Columns that lines keep to where they can.
const COLUMNS: usize = 98;

/// Comments by the key path of what they stand above.
pub(crate) type Comments = BTreeMap<String, String>;

/// Writes `sections`, with an empty line between them.
pub(crate) fn written(sections: &Map<String, Value>, comments: &Comments) -> String {
    let mut writer = Writer { out: String::new(), comments };
    for (index, (name, section)) in sections.iter().enumerate() {
        if index > 0 {
            writer.out.push('\n');
        }
        writer.entry(name, section, "", 0);
    }
    writer.out
}

struct Writer<'a> {
    out: String,
    comments: &'a Comments,
}

impl Writer<'_> {
    /// Writes a key and its value, each on lines of their own.
    fn entry(&mut self, key: &str, value: &Value, parent: &str, indent: usize) {
        let path = below(parent, key);
        self.comment(&path, indent);
        let key = scalar(key);
        let _ = write!(self.out, "{:indent$}{key}:", "");
        let line = flow(value);
        let fits = indent + key.len() + 2 + line.len() <= COLUMNS && !self.is_commented(&path);
        // Sections and components stand on lines of their own, whatever is in them.
        if depth(value) == 0 || (fits && indent > 0 && depth(value) == 1) {
            let _ = writeln!(self.out, " {line}");
            return;
        }
        self.out.push('\n');
        self.block(value, &path, indent + 2);
    }

    fn block(&mut self, value: &Value, path: &str, indent: usize) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    self.entry(key, value, path, indent);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.item(item, &format!("{path}[{index}]"), indent);
                }
            }
            scalar => {
                let _ = writeln!(self.out, "{:indent$}{}", "", flow(scalar));
            }
        }
    }

    fn item(&mut self, item: &Value, path: &str, indent: usize) {
        self.comment(path, indent);
        let line = flow(item);
        let fits = indent + 2 + line.len() <= COLUMNS && !self.is_commented(path);
        if depth(item) == 0 || (fits && depth(item) <= 3) {
            let _ = writeln!(self.out, "{:indent$}- {line}", "");
            return;
        }
        // The first key stands behind the dash.
        let start = self.out.len();
        self.block(item, path, indent + 2);
        let dash = start + indent;
        if self.out.get(dash..dash + 2) == Some("  ") {
            self.out.replace_range(dash..dash + 2, "- ");
        }
    }

    fn comment(&mut self, path: &str, indent: usize) {
        for line in self.comments.get(path).into_iter().flat_map(|text| text.lines()) {
            let _ = writeln!(self.out, "{:indent$}# {line}", "");
        }
    }

    /// Whether something below `path` has a comment.
    fn is_commented(&self, path: &str) -> bool {
        let below = self.comments.keys().filter_map(|one| one.strip_prefix(path));
        below.into_iter().any(|rest| rest.starts_with(['.', '[']))
    }
}

/// The path of `key` below `parent`.
pub(crate) fn below(parent: &str, key: &str) -> String {
    if parent.is_empty() { key.to_owned() } else { format!("{parent}.{key}") }
}

/// Lists and maps within each other.
fn depth(value: &Value) -> usize {
    match value {
        Value::Object(map) if map.is_empty() => 0,
        Value::Array(items) if items.is_empty() => 0,
        // A list of a few words is like a word.
        Value::Array(items) if !items.iter().any(|item| depth(item) > 0) => 1,
        Value::Object(map) => 1 + map.values().map(within).max().unwrap_or(0),
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn within(value: &Value) -> usize {
    match value {
        Value::Array(_) => depth(value).saturating_sub(1),
        _ => depth(value),
    }
}

/// A value on one line.
fn flow(value: &Value) -> String {
    match value {
        Value::Object(map) if map.is_empty() => "{}".to_owned(),
        Value::Array(items) if items.is_empty() => "[]".to_owned(),
        Value::Object(map) => {
            let entries: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{}: {}", scalar(key), flow(value)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", "))
        }
        Value::String(text) => scalar(text),
        other => other.to_string(),
    }
}

/// Text, in quotes where it needs them.
fn scalar(text: &str) -> String {
    let plain = |one: char| one.is_ascii_alphanumeric() || "_-./:@+ ".contains(one);
    let is_plain = text.starts_with(|one: char| one.is_ascii_alphanumeric() || "_./".contains(one))
        && text.chars().all(plain)
        && !text.ends_with([':', ' '])
        && !text.contains(": ")
        // As an item, and as a value.
        && parsed(&format!("- {text}\n- [{text}]"))
            .is_ok_and(|read| read == [serde_json::json!([text, [text]])]);
    if is_plain {
        return text.to_owned();
    }
    if text.contains(['"', '\\']) && !text.chars().any(char::is_control) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    // JSON is YAML.
    Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_comes_back_as_it_was() {
        for text in [
            "",
            "a",
            "10",
            "010",
            "0x1F",
            "1e3",
            "true",
            "null",
            "~",
            "yes",
            "a: b",
            "a #b",
            "- a",
            "${env:X}:4317",
            "https://x:4317/v1",
            "a\nb",
            "'",
            "\"",
            "\\d+",
            "x'y\"z",
            " a",
            "a ",
            "10s",
            "*",
            "&a",
            "!x",
            "%",
            "@x",
            "`",
            "a:",
            "[a]",
            "{a}",
            "a, b",
            "\u{7}",
            "ü",
            ".nan",
            ".inf",
            "2026-01-01",
            "=",
            "<<",
            "a:b",
            "0.0.0.0:4317",
            "1:30",
            "\u{2028}",
        ] {
            let value = json!({ "a": text, "b": [text], "c": [{ "x": text }], text: 1 });
            let Value::Object(map) = &value else { unreachable!() };
            let yaml = written(map, &Comments::new());
            assert_eq!(parsed(&yaml).unwrap(), [value], "{yaml}");
        }
    }

    #[test]
    fn it_reads_like_a_file_of_a_person() {
        let tree = json!({
            "receivers": { "otlp": { "protocols": { "grpc": { "endpoint": "0.0.0.0:4317" } } } },
            "tail_sampling": { "decision_wait": "10s", "policies": [
                { "name": "errors", "type": "status_code",
                  "status_code": { "status_codes": ["ERROR"] } },
                { "name": "a rather long name", "type": "and", "and": { "and_sub_policy": [
                    { "name": "one", "type": "string_attribute",
                      "string_attribute": { "key": "service.name", "values": ["a", "b"] } },
                ] } },
            ] },
        });
        let Value::Object(map) = &tree else { unreachable!() };
        let comments = [("receivers.otlp", "two\nlines"), ("tail_sampling.policies[1].and", "why")];
        let comments =
            comments.into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())).collect();
        let yaml = written(map, &comments);
        assert_eq!(parsed(&yaml).unwrap(), std::slice::from_ref(&tree));
        assert_eq!(
            yaml,
            "receivers:
  # two
  # lines
  otlp:
    protocols:
      grpc: { endpoint: 0.0.0.0:4317 }

tail_sampling:
  decision_wait: 10s
  policies:
    - { name: errors, type: status_code, status_code: { status_codes: [ERROR] } }
    - name: a rather long name
      type: and
      # why
      and:
        and_sub_policy:
          - name: one
            type: string_attribute
            string_attribute: { key: service.name, values: [a, b] }
"
        );
    }
}
