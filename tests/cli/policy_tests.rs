//! `wholetrace test`: what it says of tests that pass, that fail, and that are wrong.

use std::{fs, path::Path};

use super::process::{Ran, run};

/// Policies that the tests here are of.
const POLICIES: &str = "\
tail_sampling:
  policies:
    - { name: errors, type: status_code, status_code: { status_codes: [ERROR] } }
    - { name: slow, type: latency, latency: { threshold_ms: 100 } }
    - { name: a-tenth, type: probabilistic, probabilistic: { sampling_percentage: 10 } }
    - name: no-probes
      type: drop
      drop:
        drop_sub_policy:
          - { name: probe, type: string_attribute, string_attribute: { key: probe, values: [yes] } }
";

/// Runs these `tests:` of the policies, with more arguments.
fn tests(tests: &str, arguments: &[&str]) -> Ran {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "it.test.yaml", &format!("{POLICIES}tests:\n{tests}"));
    run(folder.path(), &[&["test", "it.test.yaml"], arguments].concat(), &[])
}

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).expect("the file is written");
}

fn assert_says(text: &str, expected: &[&str]) {
    for expected in expected {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
}

#[test]
fn tests_that_hold_pass() {
    let ran = tests(
        r#"
  - name: the status of a child counts
    trace:
      - { service: shop, children: [{ service: db, status: { code: ERROR, message: no } }] }
    expect: { verdict: kept, policy: errors, matched: [errors] }
  - name: a trace lasts from its first start to its last end
    trace:
      - { name: root, duration: 20ms }
      - { name: late, start: 90ms, duration: 11ms, parent: root }
    expect: { matched: [slow], threshold: "0", probability: 100% }
  - name: drop wins
    trace: [{ attributes: { probe: "yes" }, status: ERROR }]
    expect: { verdict: dropped, policy: no-probes }
  - name: a resource counts and children have it too
    trace: [{ resource: { probe: "yes" }, children: [{ scope: http, times: 3 }] }]
    expect: dropped
  - name: chance
    trace: [{ tracestate: "vendor=x", flags: 1, kind: server, events: [a, { name: b, at: 5ms }] }]
    expect: { probability: 0.1, threshold: e666 }
  - name: the unlucky one
    randomness: least
    trace: [{}]
    expect: not_sampled
  - name: one that is just lucky enough
    traces:
      - { randomness: e6660000000000, spans: [{}] }
      - { id: "000000000000000000e6660000000000", spans: [{}] }
      - { spans: [{ tracestate: "ot=rv:e6660000000000" }], randomness: least }
    expect: kept
"#,
        &[],
    );
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert_says(&ran.stdout, &["ok    the status of a child counts", "7 passed, 0 failed"]);
}

/// Policies with budgets, one of them inside another.
const BUDGETS: &str = "\
tail_sampling:
  policies:
    - name: errors
      type: and
      and:
        and_sub_policy:
          - { name: failed, type: status_code, status_code: { status_codes: [ERROR] } }
          - { name: limit, type: rate_limiting, rate_limiting: { spans_per_second: 500 } }
    - { name: the-rest, type: rate_limiting, rate_limiting: { spans_per_second: 50 } }
tests:
";

/// A budget keeps all, unless a test says how much it does.
#[test]
fn budgets_are_as_the_test_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let of = |tests: &str| {
        write(folder.path(), "it.test.yaml", &format!("{BUDGETS}{tests}"));
        run(folder.path(), &["test", "it.test.yaml"], &[])
    };
    let ran = of(r"
  - { name: nothing said, trace: [{}], expect: { verdict: kept, matched: [the-rest] } }
  - name: none left
    trace: [{}]
    budgets: { the-rest: exhausted }
    expect: not_sampled
  - name: a share of what is left
    trace: [{ status: ERROR }]
    budgets: { errors: 25%, the-rest: 0.125 }
    expect: { probability: 25% }
  - name: each by its own name
    randomness: most
    trace: [{ status: ERROR }]
    budgets: { errors/limit: unlimited, the-rest: exhausted }
    expect: { verdict: kept, matched: [errors], probability: 100% }
");
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert_says(&ran.stdout, &["4 passed, 0 failed"]);

    let by_chance = of(r"
  - { name: it depends, trace: [{}], budgets: { the-rest: 10% }, expect: not_sampled }
");
    assert_eq!(by_chance.code, Some(1), "{}{}", by_chance.stdout, by_chance.stderr);
    assert_says(&by_chance.stdout, &["kept by chance: 10%", "expect a `probability`"]);

    let wrong = of(r"
  - { name: one, trace: [{}], budgets: { the-rset: exhausted }, expect: kept }
  - { name: two, trace: [{}], budgets: { failed: exhausted }, expect: kept }
  - { name: three, trace: [{}], budgets: { errors: empty, the-rest: 200% }, expect: kept }
");
    assert_eq!(wrong.code, Some(2), "{}{}", wrong.stdout, wrong.stderr);
    let expected = [
        "tests[0].budgets.the-rset (it.test.yaml:",
        "`the-rset`: no policy with a budget is called so",
        "did you mean `the-rest`?",
        "there are: errors/limit, the-rest",
        "`empty` is nothing that a budget can be",
        "`200%` is nothing that a budget can be",
    ];
    assert_says(&wrong.stderr, &expected);
    let none = "  - { name: one, trace: [{}], budgets: { slow: exhausted }, expect: kept }\n";
    assert_says(&tests(none, &[]).stderr, &["no policy has one", "`rate_limiting`"]);
}

const FAILING: &str = r"
  - name: it passes
    trace: [{ status: ERROR }]
    expect: kept
  - name: it fails
    trace: [{ service: shop, status: ERROR, duration: 50ms }]
    expect: { verdict: dropped, matched: [slow, errors] }
  - name: by accident
    trace: [{}]
    expect: not_sampled
";

#[test]
fn what_differs_is_told_with_what_each_policy_says() {
    let ran = tests(FAILING, &[]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert_says(
        &ran.stdout,
        &[
            "ok    it passes",
            "FAIL  it fails",
            "- expected  dropped",
            "+ got       kept",
            "- expected  [errors, slow]",
            "+ got       [errors]",
            "1 span, 1 with the status ERROR, 50 ms, of shop",
            "errors     yes",
            "slow       no",
            "keeps traces that lasted longer than 100ms",
            "(by chance: 10%)",
            "+ got       kept by chance: 10%",
            "expect a `probability`",
            "1 passed, 2 failed",
        ],
    );
}

#[test]
fn programs_are_told_too() {
    let json = tests(FAILING, &["--format", "json"]);
    assert_eq!(json.code, Some(1), "{}", json.stderr);
    assert_says(
        &json.stdout,
        &[r#""passed": 1"#, r#""name": "it fails""#, r#""what": "verdict""#, r#""got": "kept""#],
    );
    let junit = tests(FAILING, &["--format", "junit"]);
    assert_eq!(junit.code, Some(1), "{}", junit.stderr);
    assert_says(
        &junit.stdout,
        &[
            r#"failures="2""#,
            r#"<testcase name="it passes""#,
            "verdict: expected dropped, got kept",
        ],
    );
}

/// Everything that is wrong, at once, with its line; and no test has run.
#[test]
fn everything_wrong_with_a_file_is_told() {
    let ran = tests(
        r"
  - name: first
    trace: [{ nmae: x, children: [{ status: EROR, duration: soon }] }]
    expect: keept
  - name: first
    trace: [{ parent: nobody }]
    expect: { policy: erors, probability: 120% }
  - { name: nothing, expect: kept }
  - { name: no expectation, trace: [{}] }
  - { name: no file, otlp: nowhere.json, expect: kept }
  - { trace: [], id: xyz, expect: {} }
",
        &[],
    );
    assert_eq!(ran.code, Some(2), "{}{}", ran.stdout, ran.stderr);
    assert_says(
        &ran.stderr,
        &[
            "tests[0].trace[0].nmae (it.test.yaml:14)",
            "did you mean `name`?",
            "did you mean `ERROR`?",
            "tests[0].trace[0].children[0].duration",
            "did you mean `kept`?",
            "another test has this name",
            "no other span of the trace is called `nobody`",
            "must be `0%` to `100%`",
            "did you mean `errors`?",
            "the test has no trace",
            "the test expects nothing",
            "`nowhere.json`: cannot be read",
            "is no trace id",
            "the test has no name",
        ],
    );
    assert_eq!(ran.stdout, "");
}

#[test]
fn configurations_and_files_of_otlp_are_found_beside_the_tests() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("tests")).expect("a folder");
    // Nobody has the secrets of exporters where policies are tested.
    let exporters =
        "exporters: { otlp/x: { endpoint: 'x:1', headers: { a: '${env:NO_SUCH}' } } }\n";
    write(folder.path(), "wholetrace.yaml", &format!("{POLICIES}{exporters}"));
    let span = |id: &str, code: u8| {
        format!(
            r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"traceId":"{id}","spanId":"eee19b7ec3c1b174","status":{{"code":{code}}}}}]}}]}}]}}"#
        )
    };
    let (bad, good) = ("5b8efff798038103d269b633813fc60c", "00000000000000000000000000000001");
    write(folder.path(), "tests/traces.json", &format!("{}\n{}\n", span(bad, 2), span(good, 0)));
    write(
        folder.path(),
        "tests/a.test.yaml",
        &format!(
            "config: ../wholetrace.yaml\ntests:\n  \
             - {{ name: one, otlp: traces.json, id: {bad}, expect: kept }}\n  \
             - {{ name: other, otlp: traces.json, id: '{good}', expect: not_sampled }}\n"
        ),
    );
    let ran = run(folder.path(), &["test", "."], &[]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert_says(&ran.stdout, &["tests/a.test.yaml", "2 passed"]);

    write(folder.path(), "tests/b.test.yaml", "config: nowhere.yaml\ntests: []\n");
    write(
        folder.path(),
        "wholetrace.yaml",
        "tail_sampling: { policies: [{ name: x, type: latecy }] }",
    );
    let ran = run(folder.path(), &["test", "."], &[]);
    assert_eq!(ran.code, Some(2), "{}{}", ran.stdout, ran.stderr);
    assert_says(&ran.stderr, &["nowhere.yaml", "cannot be read", "did you mean `latency`?"]);
}

#[test]
fn there_must_be_tests() {
    let folder = tempfile::tempdir().expect("a folder");
    for (arguments, expected) in [
        (&["test"] as &[&str], "FILE"),
        (&["test", "."], "there is no file `*.test.yaml`"),
        (&["test", "none.yaml"], "cannot be read"),
    ] {
        let ran = run(folder.path(), arguments, &[]);
        assert_eq!(ran.code, Some(2), "{}", ran.stdout);
        assert_says(&ran.stderr, &[expected]);
    }
}

/// Guarantee: what the page teaches about policies is true, as far as its tests say it.
#[test]
fn what_the_page_of_policies_teaches_is_true() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/policies.md");
    let page = fs::read_to_string(page).expect("the page");
    let blocks = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let folder = tempfile::tempdir().expect("a folder");
    let mut tested = 0;
    for block in blocks {
        // Single policies stand without what is around them.
        let text = if block.starts_with("- name:") {
            format!("tail_sampling:\n  policies:\n{}", indented(block))
        } else {
            block.to_owned()
        };
        assert!(text.starts_with("tail_sampling:"), "it is no block of policies:\n{block}");
        let (name, command) = if text.contains("\ntests:") {
            tested += 1;
            ("it.test.yaml", &["test", "it.test.yaml"] as &[&str])
        } else {
            ("it.yaml", &["check", "--config", "it.yaml"] as &[&str])
        };
        write(folder.path(), name, &text);
        let ran = run(folder.path(), command, &[]);
        assert_eq!(ran.code, Some(0), "{}{}\n{text}", ran.stdout, ran.stderr);
    }
    assert!(tested >= 9, "{tested} blocks with tests");
}

/// `text`, with four spaces in front of each line.
fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}
