//! Zipkin v1: which spans of v2 a span of v1 stands for.

use wholetrace_proto::otlp::any_value::Value;

use crate::{
    sample::attribute,
    zipkin::{IDS, traces_of, translate},
};

/// `@a` is an endpoint of the service `a`, and so on; `#` is a time, in seconds.
fn spelled(text: &str) -> String {
    let mut out = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '@' => {
                let service = letters.next().expect("a service");
                out += &format!(r#""endpoint":{{"serviceName":"{service}","ipv4":"10.0.0.1"}}"#);
            }
            '#' => {
                let seconds = letters.next().and_then(|digit| digit.to_digit(10)).expect("seconds");
                out += &format!("{}", 1_500_000_000_000_000 + u64::from(seconds) * 1_000_000);
            }
            other => out.push(other),
        }
    }
    out
}

fn annotations(all: &str) -> String {
    // "cs#1@a sr#2@b" and so on.
    let each = all.split_whitespace().map(|one| {
        let (value, rest) = one.split_once('#').expect("a time");
        let (time, endpoint) = rest.split_at(1);
        let comma = if endpoint.is_empty() { "" } else { "," };
        format!(r##"{{"timestamp":#{time},"value":"{value}"{comma}{endpoint}}}"##)
    });
    format!(r#""annotations":[{}]"#, each.collect::<Vec<_>>().join(","))
}

/// What the span with these fields becomes is what the spans with those fields of v2 become.
fn assert_becomes(v1: &str, v2: &[&str]) {
    let old = translate(spelled(&format!("[{{{IDS},{v1}}}]")));
    let local = |fields: &str| {
        // `local a` is the endpoint of a service.
        let fields = ["a", "b", "c"].iter().fold(fields.to_owned(), |fields, service| {
            let endpoint =
                format!(r#""localEndpoint":{{"serviceName":"{service}","ipv4":"10.0.0.1"}}"#);
            fields.replace(&format!("local {service}"), &endpoint)
        });
        format!("{{{IDS},{fields}}}")
    };
    let spans: Vec<_> = v2.iter().map(|fields| local(fields)).collect();
    let new = translate(spelled(&format!("[{}]", spans.join(","))));
    assert_eq!((old.rejected.total(), new.rejected.total()), (0, 0), "{v1}");
    assert_eq!(traces_of(&old), traces_of(&new), "{v1}");
}

const TIMES: &str = r##""timestamp":#1,"duration":3000000"##;

#[test]
fn a_side_of_a_call_is_one_span() {
    for (all, kind) in [("cs#1@a cr#4@a", "CLIENT"), ("sr#1@a ss#4@a", "SERVER")] {
        let v1 = annotations(all);
        let wanted = format!(r#"{TIMES},local a,"kind":"{kind}""#);
        // With its times, or without: then a server has not made the span itself.
        assert_becomes(&format!("{TIMES},{v1}"), &[&wanted]);
        let shared = if kind == "SERVER" { r#","shared":true"# } else { "" };
        assert_becomes(&v1, &[&format!("{wanted}{shared}")]);
    }
    // A time without a duration: of a span that the client has made.
    assert_becomes(
        &format!(r##""timestamp":#0,{}"##, annotations("sr#1@a ss#4@a")),
        &[&format!(r#"{TIMES},local a,"kind":"SERVER","shared":true"#)],
    );
}

#[test]
fn both_sides_of_a_call_are_two_spans() {
    let client = format!(r#"{TIMES},local a,"kind":"CLIENT""#);
    let server = r##""timestamp":#2,"duration":1000000,local b,"kind":"SERVER","shared":true"##;
    let all = annotations("cs#1@a sr#2@b ss#3@b cr#4@a");
    assert_becomes(&format!("{TIMES},{all}"), &[&client, server]);
    assert_becomes(&all, &[&client, server]);
    // What else they say is with who said it.
    let all = annotations("x#1@b cs#1@a y#2@a sr#2@b z#2 ss#3@b cr#4@a");
    let event = |time: char, value: char| format!(r##"{{"timestamp":#{time},"value":"{value}"}}"##);
    let server_first =
        format!(r#"{server},"annotations":[{},{}]"#, event('2', 'z'), event('1', 'x'));
    let client_next = format!(r#"{client},"annotations":[{}]"#, event('2', 'y'));
    assert_becomes(&format!("{TIMES},{all}"), &[&server_first, &client_next]);
    // A service that calls itself.
    let own = annotations("cs#1@a sr#2@a ss#3@a cr#4@a");
    let own_server = server.replace("local b", "local a");
    assert_becomes(&format!("{TIMES},{own}"), &[&client, &own_server]);
    // Nobody waits for an answer.
    let one_way = annotations("cs#1@a sr#2@b");
    let sent = r##""timestamp":#1,local a,"kind":"CLIENT""##;
    let received = r##""timestamp":#2,local b,"kind":"SERVER","shared":true"##;
    assert_becomes(&one_way, &[sent, received]);
    assert_becomes(&format!(r##""timestamp":#1,{one_way}"##), &[sent, received]);
}

#[test]
fn incomplete_calls_keep_what_they_have() {
    let rows = [
        ("cs#1@a", r##""timestamp":#1,local a,"kind":"CLIENT""##),
        ("sr#1@a", r##""timestamp":#1,local a,"kind":"SERVER","shared":true"##),
        ("cr#1@a", r##"local a,"kind":"CLIENT","annotations":[{"timestamp":#1,"value":"cr"}]"##),
        ("ss#1@a", r##"local a,"kind":"SERVER","annotations":[{"timestamp":#1,"value":"ss"}]"##),
        (
            // Said twice: the later counts, the earlier is kept.
            "cs#1@a cs#2@a",
            r##""timestamp":#2,local a,"kind":"CLIENT",
                "annotations":[{"timestamp":#1,"value":"cs"}]"##,
        ),
        (
            "ws#1@a wr#2@a",
            r##"local a,"annotations":[{"timestamp":#1,"value":"ws"},
                {"timestamp":#2,"value":"wr"}]"##,
        ),
        // Nobody says whose they are.
        ("cs#1", r##""annotations":[{"timestamp":#1,"value":"cs"}]"##),
    ];
    for (all, wanted) in rows {
        assert_becomes(&annotations(all), &[wanted]);
    }
    // Who has ended with the span has begun with it.
    for (all, kind) in [("cr#4@a", "CLIENT"), ("ss#4@a", "SERVER")] {
        let wanted = format!(r#"{TIMES},local a,"kind":"{kind}""#);
        assert_becomes(&format!("{TIMES},{}", annotations(all)), &[&wanted]);
    }
    // No call at all.
    assert_becomes(
        &format!(r#"{TIMES},"binaryAnnotations":[{{"key":"lc","value":"",@a}}]"#),
        &[&format!("{TIMES},local a")],
    );
}

#[test]
fn messages_have_a_producer_and_a_consumer() {
    let rows: [(&str, &[&str]); 6] = [
        ("ms#1@a", &[r##""timestamp":#1,local a,"kind":"PRODUCER""##]),
        ("ms#1@a ws#2@a", &[r##""timestamp":#1,"duration":1000000,local a,"kind":"PRODUCER""##]),
        ("mr#1@a", &[r##""timestamp":#1,local a,"kind":"CONSUMER""##]),
        ("wr#1@a mr#2@a", &[r##""timestamp":#1,"duration":1000000,local a,"kind":"CONSUMER""##]),
        (
            "ms#1@a ws#2@a wr#3@b mr#4@b",
            &[
                r##""timestamp":#1,"duration":1000000,local a,"kind":"PRODUCER""##,
                r##""timestamp":#3,"duration":1000000,local b,"kind":"CONSUMER","shared":true"##,
            ],
        ),
        (
            "ms#1@a mr#4@a",
            &[
                r##""timestamp":#1,local a,"kind":"PRODUCER""##,
                r##""timestamp":#4,local a,"kind":"CONSUMER","shared":true"##,
            ],
        ),
    ];
    for (all, wanted) in rows {
        assert_becomes(&annotations(all), wanted);
    }
}

#[test]
fn addresses_become_remote_endpoints() {
    let remote = |service: &str| {
        format!(r#""remoteEndpoint":{{"serviceName":"{service}","ipv4":"10.0.0.1"}}"#)
    };
    let binary = |keys: &[(&str, &str)]| {
        let each = keys
            .iter()
            .map(|(key, endpoint)| format!(r#"{{"key":"{key}","value":true,{endpoint}}}"#));
        format!(r#""binaryAnnotations":[{}]"#, each.collect::<Vec<_>>().join(","))
    };
    let rows = [
        (
            "cs#1@a cr#4@a",
            binary(&[("sa", "@c")]),
            format!(r#"local a,"kind":"CLIENT",{}"#, remote("c")),
        ),
        ("cr#4@a", binary(&[("sa", "@c")]), format!(r#"local a,"kind":"CLIENT",{}"#, remote("c"))),
        (
            "sr#1@a ss#4@a",
            binary(&[("ca", "@c")]),
            format!(r#"local a,"kind":"SERVER",{}"#, remote("c")),
        ),
        // The own side's: there is a place for it already.
        ("sr#1@a ss#4@a", binary(&[("ca", "@a")]), r#"local a,"kind":"SERVER""#.to_owned()),
        (
            "ms#1@a",
            binary(&[("ma", "@c")]),
            format!(r#"local a,"kind":"PRODUCER",{}"#, remote("c")),
        ),
        (
            "mr#1@a",
            binary(&[("ma", "@c")]),
            format!(r#"local a,"kind":"CONSUMER",{}"#, remote("c")),
        ),
        ("", binary(&[("ca", "@a"), ("sa", "@c")]), format!("local a,{}", remote("c"))),
        ("", binary(&[("sa", "@c")]), remote("c")),
        ("", binary(&[("ca", "@c")]), format!(r#""kind":"SERVER",{}"#, remote("c"))),
    ];
    for (all, binary, wanted) in rows {
        let v1 = format!("{TIMES},{},{binary}", annotations(all));
        assert_becomes(&v1, &[&format!("{TIMES},{wanted}")]);
    }
    // A server that knows the address of its client, and gives it the own name.
    let other = r#""endpoint":{"serviceName":"a","ipv4":"10.0.0.9","port":9}"#;
    assert_becomes(
        &format!("{TIMES},{},{}", annotations("sr#1@a ss#4@a"), binary(&[("ca", other)])),
        &[&format!(
            r#"{TIMES},local a,"kind":"SERVER","remoteEndpoint":{{"ipv4":"10.0.0.9","port":9}}"#
        )],
    );
}

#[test]
fn binary_annotations_without_quotes_keep_their_types() {
    let rows = [
        ("7", Value::IntValue(7)),
        ("2.5", Value::DoubleValue(2.5)),
        ("1e3", Value::IntValue(1000)),
        ("9223372036854775808", Value::DoubleValue(9_223_372_036_854_775_808.0)),
        ("1e999", Value::StringValue("1e999".to_owned())),
        // Without an endpoint it is no address.
        ("true", Value::BoolValue(true)),
        ("false", Value::BoolValue(false)),
    ];
    for (value, wanted) in rows {
        let span = format!(
            r#"[{{{IDS},"timestamp":1,"binaryAnnotations":[{{"key":"sa","value":{value}}}]}}]"#
        );
        let span = traces_of(&translate(span)).resource_spans[0].scope_spans[0].spans[0].clone();
        assert_eq!(span.attributes, [attribute("sa", wanted)], "{value}");
    }
}

#[test]
fn binary_annotations_become_tags_of_who_wrote_them() {
    let rows: [(&str, &[&str]); 8] = [
        (
            r#"{"key":"a","value":"1"},{"key":"b","value":"2.5"}"#,
            &[r#""tags":{"a":"1","b":"2.5"}"#],
        ),
        (
            r#"{"key":"a","value":"true"},{"key":"b","value":"false",@a}"#,
            &[r#"local a,"tags":{"a":"true","b":"false"}"#],
        ),
        // Other text is no address.
        (r#"{"key":"sa","value":"x",@a}"#, &[r#"local a,"tags":{"sa":"x"}"#]),
        (
            r#"{"key":"sa","value":"true",@a}"#,
            &[r#""remoteEndpoint":{"serviceName":"a","ipv4":"10.0.0.1"}"#],
        ),
        (r#"{"key":"a","value":null},{"key":"b"},null"#, &[r#""tags":{}"#]),
        (r#"{"key":"a","value":{"b":[1]}}"#, &[r#""tags":{"a":"{\"b\":[1]}"}"#]),
        (
            r#"{"key":"a","value":"1",@a},{"key":"b","value":"2",@b}"#,
            &[
                r#"local a,"tags":{"a":"1"}"#,
                r#""timestamp":null,"duration":null,local b,"tags":{"b":"2"}"#,
            ],
        ),
        (
            r#"{"key":"error","value":"x",@a},{"key":"lc","value":"here",@a}"#,
            &[r#"local a,"tags":{"error":"x","lc":"here"}"#],
        ),
    ];
    for (binary, wanted) in rows {
        let wanted: Vec<_> = wanted.iter().map(|fields| format!("{TIMES},{fields}")).collect();
        let wanted: Vec<_> = wanted.iter().map(String::as_str).collect();
        assert_becomes(&format!(r#"{TIMES},"binaryAnnotations":[{binary}]"#), &wanted);
    }
}

#[test]
fn fields_of_both_versions_in_one_span_add_up() {
    assert_becomes(
        &format!(
            r#"{TIMES},"kind":"PRODUCER","tags":{{"t":"1"}},"debug":true,"shared":true,
                "remoteEndpoint":{{"port":1}},"binaryAnnotations":[{{"key":"b","value":"2",@a}}]"#
        ),
        &[&format!(
            r#"{TIMES},local a,"kind":"PRODUCER","tags":{{"t":"1","b":"2"}},"debug":true,
                "shared":true,"remoteEndpoint":{{"port":1}}"#
        )],
    );
}

#[test]
fn a_span_becomes_so_many_and_no_more() {
    let all: Vec<_> = (0..20)
        .map(|service| format!(r#"{{"value":"x","endpoint":{{"serviceName":"s{service}"}}}}"#))
        .collect();
    let translated = translate(format!(r#"[{{{IDS},"annotations":[{}]}}]"#, all.join(",")));
    let traces = traces_of(&translated);
    let events: Vec<_> = traces
        .resource_spans
        .iter()
        .flat_map(|one| &one.scope_spans)
        .flat_map(|one| &one.spans)
        .map(|span| span.events.len())
        .collect();
    assert_eq!(events, [13, 1, 1, 1, 1, 1, 1, 1]);
}
