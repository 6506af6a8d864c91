//! Files in which one thing is not what it should be.

use serde_json::{Value, json};
use wholetrace_import::{Selection, Source, import};

use super::{CASES, loader, source};

/// Guarantee: whatever stands in a place of a file, it is imported or refused; what is written is YAML.
#[test]
fn one_odd_value_breaks_nothing() {
    let odd = [json!(null), json!(1), json!("${env:X}"), json!([]), json!({}), json!([{ "a": 1 }])];
    for (files, ..) in CASES {
        let sources: Vec<Source> = files.iter().map(source).collect();
        for (index, file) in sources.iter().enumerate() {
            let documents: Vec<Value> =
                serde_saphyr::from_multiple(&file.text).expect("a fixture is YAML");
            let documents = Value::Array(documents);
            // Each place has one of them, and each of them is in many places.
            for (path, odd) in paths(&documents, "").iter().zip(odd.iter().cycle()) {
                let mut documents = documents.clone();
                if let Some(value) = documents.pointer_mut(path) {
                    *value = odd.clone();
                }
                let mut sources = sources.clone();
                if let Some(source) = sources.get_mut(index) {
                    source.text = text(&documents);
                }
                // The loader ends the test if it is given something that is not YAML.
                let _done = import(&sources, &Selection::default(), &loader::checked);
            }
        }
    }
}

/// The ways to all values below documents, as pointers of JSON.
fn paths(value: &Value, path: &str) -> Vec<String> {
    let below: Vec<(String, &Value)> = match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.replace('~', "~0").replace('/', "~1"), value))
            .collect(),
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
        }
        _ => Vec::new(),
    };
    let below = below.into_iter().flat_map(|(key, value)| {
        let path = format!("{path}/{key}");
        let mut found = paths(value, &path);
        found.push(path);
        found
    });
    below.collect()
}

/// Documents as text: JSON is YAML.
fn text(documents: &Value) -> String {
    let documents = documents.as_array().into_iter().flatten();
    documents.map(|document| format!("---\n{document}\n")).collect()
}
