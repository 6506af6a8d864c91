//! Zipkin's spans as a Zipkin has them, and as ours leave for a Zipkin.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::Value;
use wholetrace_proto::{
    translated::Limits,
    zipkin::{self, JsonWriter},
};

use super::{
    cases::{Cases, recorded, write},
    differences::Differences,
    format::Format,
    lines::{hex, quoted},
    without,
};
use crate::parts::{built, stands};

/// The formats, with the names of Zipkin's decoders and the files of what they have made.
const FORMATS: [(Format, &str, &str); 4] = [
    (Format::ZipkinJson, "JSON_V2", "recorded/by_zipkin_json.yaml"),
    (Format::ZipkinProtobuf, "PROTO3", "recorded/by_zipkin_protobuf.yaml"),
    (Format::ZipkinV1Json, "JSON_V1", "recorded/by_zipkin_v1_json.yaml"),
    (Format::ZipkinV1Thrift, "THRIFT", "recorded/by_zipkin_v1_thrift.yaml"),
];

/// What a Zipkin that is sent `bytes` here would be sent.
fn ours(format: Format, bytes: &[u8]) -> Vec<String> {
    let Some(encoding) = format.zipkin() else { return Vec::new() };
    let envelope = zipkin::Envelope { encoding, debug: false };
    match zipkin::to_protobuf(bytes, envelope, &mut Limits::default()) {
        Ok(one) if one.spans == 0 && one.rejected.total() > 0 => refused(),
        Ok(one) => {
            let mut writer = JsonWriter::new("", usize::MAX);
            writer.add(&one.bytes).expect("spans");
            lines(&serde_json::from_slice(&writer.finish()).expect("JSON"))
        }
        Err(_) => refused(),
    }
}

fn refused() -> Vec<String> {
    vec!["refused".to_owned()]
}

/// The lines of an array of spans in v2 JSON, those of each with its number.
fn lines(spans: &Value) -> Vec<String> {
    let mut all: Vec<Vec<String>> =
        spans.as_array().into_iter().flatten().map(span_lines).collect();
    if all.is_empty() {
        return vec!["nothing".to_owned()];
    }
    all.sort();
    let numbered = |(lines, number): (Vec<String>, usize)| {
        lines.into_iter().map(move |line| format!("{number} {line}"))
    };
    all.into_iter().zip(1..).flat_map(numbered).collect()
}

fn span_lines(span: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for field in
        ["traceId", "id", "kind", "shared", "name", "parentId", "timestamp", "duration", "debug"]
    {
        lines.extend(span.get(field).map(|value| format!("{field} {}", shown(value))));
    }
    for side in ["localEndpoint", "remoteEndpoint"] {
        let fields = span[side].as_object().into_iter().flatten();
        let mut fields: Vec<_> =
            fields.map(|(name, value)| format!("{side} {name}={}", shown(value))).collect();
        fields.sort();
        lines.append(&mut fields);
    }
    let tags = span["tags"].as_object().into_iter().flatten();
    let mut tags: Vec<_> = tags.map(|(key, value)| format!("tag {key}={}", shown(value))).collect();
    tags.sort();
    lines.append(&mut tags);
    for one in span["annotations"].as_array().into_iter().flatten() {
        lines.push(format!("annotation {} {}", one["timestamp"], shown(&one["value"])));
    }
    lines
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), quoted)
}

/// What Zipkin's own decoder makes of each case.
fn decoded(cases: &Cases, decoder: &str) -> Vec<Vec<String>> {
    let mut java = Command::new("java")
        .arg("-cp")
        .arg(format!("{}:{}/*", built("java").display(), built("java/libs").display()))
        .arg("DecodeZipkin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Java starts");
    let mut input = java.stdin.take().expect("an input");
    let requests: String =
        cases.all.iter().map(|case| format!("{decoder} {}\n", hex(&case.bytes))).collect();
    // It reads all before it writes.
    input.write_all(requests.as_bytes()).expect("written");
    drop(input);
    let output = java.wait_with_output().expect("an output");
    assert!(output.status.success(), "DecodeZipkin: {}", output.status);
    let answer = |line: &str| match serde_json::from_str(line) {
        Ok(spans) => lines(&spans),
        Err(_) => refused(),
    };
    let made: Vec<_> = String::from_utf8_lossy(&output.stdout).lines().map(answer).collect();
    assert_eq!(made.len(), cases.all.len(), "{decoder}");
    made
}

#[test]
#[ignore = "writes the recordings anew: tests/conformance/record"]
fn record_zipkin() {
    assert!(stands("java"), "no Zipkin, nothing to record");
    for (format, decoder, file) in FORMATS {
        let cases = Cases::read(format);
        write(file, &cases, &decoded(&cases, decoder));
    }
}

#[test]
fn spans_leave_for_a_zipkin_as_it_would_have_taken_them() {
    let differences = Differences::read("zipkin_differences.yaml");
    let mut problems = Vec::new();
    for (format, _, file) in FORMATS {
        let cases = Cases::read(format);
        let recorded = recorded(file);
        for case in &cases.all {
            let name = format!("{}/{}", format.name(), case.name);
            let Some(theirs) = recorded.get(&case.name) else {
                problems.push(format!("{name}: was not recorded"));
                continue;
            };
            let ours = ours(format, &case.bytes);
            let [here, there] = [without(&ours, theirs), without(theirs, &ours)];
            problems.append(&mut differences.unexplained(&name, &here, &there));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn a_zipkin_still_makes_of_spans_what_was_recorded() {
    if !stands("java") {
        return;
    }
    for (format, decoder, file) in FORMATS {
        let cases = Cases::read(format);
        let recorded = recorded(file);
        for (case, made) in cases.all.iter().zip(decoded(&cases, decoder)) {
            assert_eq!(recorded.get(&case.name), Some(&made), "{decoder} {}", case.name);
        }
    }
}
