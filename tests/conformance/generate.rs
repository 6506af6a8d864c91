//! Traces and sets of policies by chance, the same ones for the same seed. Keys and values are few,
//! so that policies meet traces.
//!
//! The first span of a trace lasts as long as the whole: what depends on the order of spans in a
//! Collector does not occur.

use std::{fmt::Write as _, fs};

use fastrand::Rng;
use serde_json::{Map, Value, json};

use crate::vectors;

const TRACES: usize = 80;
const SETS: usize = 320;

/// Another one makes other traces and sets.
const SEED: u64 = 12;

/// A file of vectors: all of it but what a Collector keeps.
pub(crate) fn generated(seed: u64, traces: usize, sets: usize) -> String {
    let mut random = Rng::with_seed(seed);
    let mut text = "# Made by tests/conformance/generate.rs.\ntraces:\n".to_owned();
    for number in 1..=traces {
        let spans = trace(&mut random);
        let _ = writeln!(text, "  t{number}:");
        for span in spans {
            let _ = writeln!(text, "    - {span}");
        }
    }
    text.push_str("\nsets:\n");
    for number in 1..=sets {
        let _ = writeln!(text, "  - name: g{number}");
        if random.u8(..8) == 0 {
            text.push_str("    sample_on_first_match: true\n");
        }
        text.push_str("    policies:\n");
        for place in 0..random.usize(1..5) {
            let _ = writeln!(text, "      - {}", top(&mut random, place));
        }
    }
    text
}

fn one<T: Clone>(random: &mut Rng, of: &[T]) -> T {
    of[random.usize(..of.len())].clone()
}

fn trace(random: &mut Rng) -> Vec<Value> {
    let length = one(random, &[1, 5, 20, 90, 150, 400, 2500]);
    let count = one(random, &[1, 1, 2, 3, 4, 6]);
    let spans = (0..count).map(|place| {
        let mut span = span(random);
        let (start, end) = if place == 0 {
            (0, length)
        } else {
            let start = random.u32(..=length);
            (start, random.u32(start..=length))
        };
        span.insert("ms".into(), json!([start, end]));
        if place > 0 && random.u8(..3) == 0 {
            span.insert("request".into(), 1.into());
        }
        Value::Object(span)
    });
    spans.collect()
}

fn span(random: &mut Rng) -> Map<String, Value> {
    let mut span = Map::new();
    let mut put = |key: &str, value: Value| {
        let is_nothing = value.is_null() || value.as_object().is_some_and(Map::is_empty);
        if !is_nothing {
            span.insert(key.into(), value);
        }
    };
    put("r", attributes(random, &["service.name", "tier", "n"]).into());
    put("a", attributes(random, &["path", "code", "retry", "n", "tier"]).into());
    put("name", one(random, &["GET", "GET", "POST", "query"]).into());
    put("kind", one(random, &[1, 2, 3]).into());
    put("status", one(random, &[json!(null), json!("OK"), json!("ERROR"), json!("UNSET")]));
    put("state", one(random, &[json!(null), json!("v=x"), json!("a=1,v=w"), json!("v=x,")]));
    put("flags", one(random, &[json!(null), json!(1), json!(256), json!(257)]));
    if random.u8(..4) == 0 {
        let event = json!({ "name": "exception", "a": attributes(random, &["n", "code"]) });
        put("events", json!([event]));
    }
    if random.u8(..4) == 0 {
        put("sc", json!({ "name": one(random, &["lib", "http"]) }));
    }
    span
}

/// Some of `keys`, mostly with a value of the type that they usually have.
fn attributes(random: &mut Rng, keys: &[&str]) -> Map<String, Value> {
    let mut map = Map::new();
    for key in keys {
        if random.u8(..2) == 0 {
            continue;
        }
        let usual = match *key {
            "service.name" => vec![json!("cart"), json!("checkout"), json!("search")],
            "tier" => vec![json!("gold"), json!("silver"), json!("")],
            "path" => vec![json!("/healthz"), json!("/api/v1"), json!("/api/v2/items")],
            "code" => vec![json!(200), json!(404), json!(500), json!(503)],
            "retry" => vec![json!(true), json!(false)],
            _ => vec![json!(-3), json!(0), json!(5), json!(40)],
        };
        let odd = [json!(null), json!("500"), json!(5.0), json!(7), json!(true), json!(["gold"])];
        let of = if random.u8(..8) == 0 { &odd[..] } else { &usual };
        map.insert((*key).into(), one(random, of));
    }
    map
}

/// A policy of a list `policies`, whose name is its type and place.
fn top(random: &mut Rng, place: usize) -> Value {
    match random.u8(..12) {
        0 | 1 => several(random, "and", "and_sub_policy", place),
        2 => several(random, "drop", "drop_sub_policy", place),
        3 => not(random, place),
        4 => composite(random, place),
        _ => leaf(random, place),
    }
}

fn several(random: &mut Rng, kind: &str, key: &str, place: usize) -> Value {
    let count = random.usize(1..4);
    let policies: Vec<Value> = (0..count)
        .map(|place| match random.u8(..4) {
            0 => not(random, place),
            _ => leaf(random, place),
        })
        .collect();
    policy(kind, place, &json!({ key: policies }))
}

fn not(random: &mut Rng, place: usize) -> Value {
    policy("not", place, &json!({ "not_sub_policy": leaf(random, 0) }))
}

fn composite(random: &mut Rng, place: usize) -> Value {
    let policies: Vec<Value> = (0..random.usize(1..4))
        .map(|place| match random.u8(..3) {
            0 => several(random, "and", "and_sub_policy", place),
            _ => leaf(random, place),
        })
        .collect();
    let total = one(random, &[0, 10_000_000]);
    let settings = json!({ "max_total_spans_per_second": total, "composite_sub_policy": policies });
    policy("composite", place, &settings)
}

fn policy(kind: &str, place: usize, settings: &Value) -> Value {
    json!({ "name": format!("{kind}-{place}"), "type": kind, kind: settings })
}

fn leaf(random: &mut Rng, place: usize) -> Value {
    let (kind, settings) = match random.u8(..14) {
        0 => ("status_code", json!({ "status_codes": [one(random, &["ERROR", "OK", "UNSET"])] })),
        1 => ("latency", json!({ "threshold_ms": one(random, &[0, 20, 89, 90, 300]) })),
        2 => {
            let lower = one(random, &[0, 19, 89]);
            ("latency", json!({ "threshold_ms": lower, "upper_threshold_ms": lower + 100 }))
        }
        3 | 4 => ("string_attribute", string_attribute(random)),
        5 | 6 => ("numeric_attribute", numeric_attribute(random)),
        7 => ("boolean_attribute", boolean_attribute(random)),
        8 => {
            let percentage = one(random, &[1.0, 12.5, 30.0, 75.0]);
            let salts = [json!(null), json!("pepper"), json!("default-hash-seed")];
            let mut settings = json!({ "sampling_percentage": percentage });
            if let salt @ Value::String(_) = one(random, &salts) {
                settings["hash_salt"] = salt;
            }
            ("probabilistic", settings)
        }
        9 => {
            let (least, most) = one(random, &[(2, 0), (0, 3), (2, 4), (9, 0), (3, 3)]);
            ("span_count", json!({ "min_spans": least, "max_spans": most }))
        }
        10 => (
            "trace_state",
            json!({ "key": "v", "values": one(random, &[vec!["x"], vec!["w", "z"]]) }),
        ),
        11 => return json!({ "name": format!("trace_flags-{place}"), "type": "trace_flags" }),
        12 => {
            let rate = one(random, &[0, 10_000_000]);
            ("rate_limiting", json!({ "spans_per_second": rate }))
        }
        _ => ("ottl_condition", condition(random)),
    };
    policy(kind, place, &settings)
}

fn string_attribute(random: &mut Rng) -> Value {
    let key = one(random, &["service.name", "tier", "path", "code"]);
    let invert = random.u8(..4) == 0;
    if random.bool() {
        let values = one(
            random,
            &[
                json!(["cart"]),
                json!(["gold", "/healthz"]),
                json!(["checkout", "silver", "500"]),
                json!([""]),
            ],
        );
        json!({ "key": key, "values": values, "invert_match": invert })
    } else {
        let values = one(
            random,
            &[
                json!(["^/api/v\\d"]),
                json!(["^c", "^g"]),
                json!(["a"]),
                json!(["^$"]),
                json!(["(?i)^CART$", "items"]),
            ],
        );
        json!({
            "key": key, "values": values, "invert_match": invert, "enabled_regex_matching": true,
        })
    }
}

fn numeric_attribute(random: &mut Rng) -> Value {
    let key = one(random, &["code", "n", "retry"]);
    let (least, most) = one(random, &[(500, 599), (400, 0), (-5, 5), (0, 300), (1, 0), (0, -1)]);
    let invert = random.u8(..4) == 0;
    json!({ "key": key, "min_value": least, "max_value": most, "invert_match": invert })
}

fn boolean_attribute(random: &mut Rng) -> Value {
    let key = one(random, &["retry", "n"]);
    json!({ "key": key, "value": random.bool(), "invert_match": random.u8(..4) == 0 })
}

fn condition(random: &mut Rng) -> Value {
    const ATOMS: [&str; 14] = [
        r#"attributes["code"] >= 500"#,
        r#"attributes["code"] == 404"#,
        r#"attributes["retry"] == true"#,
        r#"attributes["n"] != nil"#,
        r#"attributes["n"] < 5.5"#,
        r#"IsMatch(attributes["path"], "^/api")"#,
        r#"HasPrefix(attributes["path"], "/api")"#,
        r#"attributes["n"] + 1 > 4"#,
        r#"resource.attributes["service.name"] == "cart""#,
        r#"resource.attributes["tier"] != "gold""#,
        r#"scope.name == "lib""#,
        r#"span.kind == SPAN_KIND_SERVER"#,
        r#"span.status.code == STATUS_CODE_ERROR"#,
        r#"span.end_time - span.start_time > Duration("50ms")"#,
    ];
    let mut text = String::new();
    for place in 0..random.usize(1..4) {
        if place > 0 {
            text.push_str(one(random, &[" and ", " or "]));
        }
        if random.u8(..4) == 0 {
            text.push_str("not ");
        }
        text.push_str(one(random, &ATOMS));
    }
    let list = one(random, &["span", "span", "span", "spanevent"]);
    json!({ "error_mode": one(random, &["ignore", "silent"]), list: [text] })
}

fn path() -> std::path::PathBuf {
    vectors::folder().join("generated.yaml")
}

#[test]
#[ignore = "writes traces and sets anew: tests/conformance/record"]
fn generate() {
    fs::write(path(), generated(SEED, TRACES, SETS)).expect("written");
}

#[test]
fn the_generated_file_is_what_the_generator_makes() {
    let text = fs::read_to_string(path()).expect("generated.yaml");
    let bare = text.split_inclusive('\n').filter(|line| !line.starts_with("    kept:"));
    let made = generated(SEED, TRACES, SETS);
    assert_eq!(bare.collect::<String>(), made, "tests/conformance/record makes it anew");
}
