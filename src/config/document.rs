//! The page about the configuration, made from the types of its sections.

use std::fmt::Write as _;

use schemars::schema_for;
use serde_json::{Map, Value};
use wholetrace_gateway::ReceiversConfig;
use wholetrace_runtime::page::Notes;

use super::sections::Config;

/// How deep sections nest on the page.
const DEPTH_MAX: usize = 8;

const INTRODUCTION: &str = "\
# Configuration

Generated from the types in the sources (`UPDATE_DOCS=1 cargo test --test docs` writes it).

One YAML file configures everything; without any, everything has the defaults below and
`wholetrace standalone` works. Commented files to begin with are in `examples/`.

* `--config FILE`, several times if you like: later files are laid over earlier ones, maps key by
  key, everything else as a whole.
* `WHOLETRACE__ADMIN__ENDPOINT=…` in the environment sets `admin.endpoint`, and wins over files.
* `--set admin.endpoint=…`, several times, wins over everything. Of receivers and policies that
  stand in no file, variables and `--set` change the defaults in part.
* A file that has `receivers` names all receivers there are; `policies` and `exporters` likewise.
* `${env:NAME}`, `${env:NAME:-default}` and `${file:PATH}` are filled in where they stand in a value;
  `$$` is a dollar sign. What is filled in is never printed.
* Plain words and numbers are what they are for a Collector: `yes`, `no`, `on` and `off` are text (`true`
  and `false` are not), and a number that begins with a zero is octal: `010` is 8. Secrets, and what
  variables and options set, are text as it is written where text is wanted: `007`.
* Unknown keys are errors. `wholetrace check` reports all problems at once, prints the effective
  configuration and adds up what it may take of the memory.
* Sizes are numbers with a unit (`512MiB`, `10GiB`), durations likewise (`10s`, `500ms`, `1m30s`).
* Receivers and exporters are named by their type, with a word of your own behind a slash where
  there are several: `otlp/jaeger`.
* `tail_sampling` is reloaded without a restart: on `SIGHUP`, and when a file has changed.
  Everything else takes effect at the next start; what has changed of it is said in the log, by its
  key.
";

/// The page, as Markdown.
pub(crate) fn markdown() -> String {
    let schema = schema_for!(Config).to_value();
    let mut page = String::from(INTRODUCTION);
    let defaults = serde_json::to_value(Config::starter()).unwrap_or_default();
    let none = Map::new();
    let sections = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    for (name, section) in sections {
        let _ = write!(page, "\n## `{name}`\n\n");
        let mut writer = Writer::new(&schema);
        let (section, reference) = writer.resolved(section);
        let text = section.get("description").and_then(Value::as_str).unwrap_or_default();
        let _ = writeln!(page, "{text}\n");
        if name == "receivers" {
            page.push_str(&listeners(&Config::starter().receivers));
        }
        writer.within.extend(reference);
        writer.properties(section, name, defaults.get(name));
        page.push_str("| key | type | default | what it does |\n|---|---|---|---|\n");
        page.push_str(&writer.rows);
        page.push_str(&writer.notes.markdown());
    }
    page
}

/// What `receivers` listen on.
fn listeners(receivers: &ReceiversConfig) -> String {
    let mut table = String::from("| listens by default | for | key |\n|---|---|---|\n");
    for listener in receivers.listeners() {
        let (endpoint, kind, key) = (listener.endpoint, listener.kind.title(), listener.setting());
        let _ = writeln!(table, "| `{endpoint}` | {kind} | `{key}` |");
    }
    table.push('\n');
    table
}

struct Writer<'a> {
    root: &'a Value,
    rows: String,
    /// What does not fit the rows.
    notes: Notes,
    /// The named types that the current row is within: one within itself is not written again.
    within: Vec<&'a str>,
}

impl<'a> Writer<'a> {
    fn new(root: &'a Value) -> Self {
        Self { root, rows: String::new(), notes: Notes::default(), within: Vec::new() }
    }

    /// What `schema` refers to, through `$ref` and through "this or nothing", and its name.
    fn resolved(&self, schema: &'a Value) -> (&'a Value, Option<&'a str>) {
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let pointer = reference.trim_start_matches('#');
            let target = self.root.pointer(pointer).unwrap_or(schema);
            return (self.resolved(target).0, Some(reference));
        }
        for key in ["anyOf", "allOf"] {
            let options = schema.get(key).and_then(Value::as_array);
            let something = options.and_then(|options| {
                options
                    .iter()
                    .find(|option| option.get("type").and_then(Value::as_str) != Some("null"))
            });
            if let Some(option) = something {
                return self.resolved(option);
            }
        }
        (schema, None)
    }

    fn properties(&mut self, schema: &'a Value, path: &str, defaults: Option<&Value>) {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
        for (key, property) in properties {
            let default = defaults
                .and_then(|defaults| defaults.get(key))
                .or_else(|| property.get("default"))
                .cloned();
            self.row(&format!("{path}.{key}"), property, default.as_ref());
        }
    }

    fn row(&mut self, path: &str, property: &'a Value, default: Option<&Value>) {
        let (schema, name) = self.resolved(property);
        let text = [property, schema]
            .iter()
            .find_map(|value| value.get("description").and_then(Value::as_str))
            .unwrap_or_default();
        let mut text = text.replace('\n', " ").replace('|', "\\|");
        let items = schema.get("items").map(|items| self.resolved(items));
        let nested = schema.get("properties").is_some();
        let entry = schema.get("additionalProperties").filter(|value| value.is_object());
        let shown = if nested { String::new() } else { shown(default) };
        let again = |name: Option<&str>, within: &[&str]| {
            name.is_some_and(|name| within.contains(&name)) || within.len() >= DEPTH_MAX
        };
        if let Some((_, item)) = items
            && item.is_some()
            && again(item, &self.within)
        {
            text.push_str(" Keys as above.");
        }
        let kind = kind(schema, items.map(|(item, _)| item), entry);
        let text = self.notes.cell(path, text.trim());
        let _ = writeln!(self.rows, "| `{path}` | {kind} | {shown} | {text} |");
        if nested && !again(name, &self.within) {
            let depth = self.within.len();
            self.within.extend(name);
            self.properties(schema, path, default);
            self.within.truncate(depth);
        }
        if let Some((item, name)) = items
            && item.get("properties").is_some()
            && !again(name, &self.within)
        {
            let depth = self.within.len();
            self.within.extend(name);
            self.properties(item, &format!("{path}[]"), None);
            self.within.truncate(depth);
        }
    }
}

/// The type of a value, for people.
fn kind(schema: &Value, item: Option<&Value>, entry: Option<&Value>) -> String {
    if let Some(words) = words(schema) {
        return words.join(", ");
    }
    if let Some(format @ ("size" | "duration" | "secret")) =
        schema.get("format").and_then(Value::as_str)
    {
        return format.to_owned();
    }
    let kinds: Vec<&str> = match schema.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let kind = kinds.into_iter().find(|kind| *kind != "null").unwrap_or("any");
    match kind {
        "object" if entry.is_some() => "map".to_owned(),
        "object" => "section".to_owned(),
        "array" => match item {
            Some(item) if item.get("properties").is_some() => "list of sections".to_owned(),
            Some(item) => format!("list of {}", self::kind(item, None, None)),
            None => "list".to_owned(),
        },
        "string" => "text".to_owned(),
        "boolean" => "true, false".to_owned(),
        other => other.to_owned(),
    }
}

/// The words that a value can be, if it is one of a few.
fn words(schema: &Value) -> Option<Vec<String>> {
    let quoted = |value: &Value| value.as_str().map(|word| format!("`{word}`"));
    if let Some(Value::Array(values)) = schema.get("enum") {
        return values.iter().map(quoted).collect();
    }
    let options = schema.get("oneOf")?.as_array()?;
    let words: Option<Vec<Vec<String>>> = options
        .iter()
        .map(|option| {
            option.get("const").and_then(quoted).map(|word| vec![word]).or_else(|| words(option))
        })
        .collect();
    words.map(|words| words.concat())
}

fn shown(default: Option<&Value>) -> String {
    match default {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) if text.is_empty() => String::new(),
        Some(Value::Array(items)) if items.is_empty() => String::new(),
        Some(Value::Object(map)) if map.is_empty() => String::new(),
        Some(Value::String(text)) => format!("`{text}`"),
        Some(Value::Array(items)) if items.iter().any(Value::is_object) => {
            "see `examples/standalone.yaml`".to_owned()
        }
        Some(value) => format!("`{}`", value.to_string().replace('|', "\\|")),
    }
}
