//! What people and machines are told of the outcomes.

use std::fmt::Write as _;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde::Serialize;

use crate::run::{Failure, Outcome};

/// The policies of a failure that are all told; of more, those that said no are only counted.
const POLICIES_TOLD: usize = 20;

/// The outcomes of a file of tests.
#[derive(Clone, Debug, Serialize)]
pub struct Ran {
    /// The file, as it was named.
    pub file: String,
    /// Its tests, in their order.
    pub tests: Vec<Outcome>,
}

/// How many tests have passed, and how many have not.
#[must_use]
pub fn counts(files: &[Ran]) -> (usize, usize) {
    let tests = files.iter().flat_map(|file| &file.tests);
    let failed = tests.clone().filter(|test| test.failure.is_some()).count();
    (tests.count() - failed, failed)
}

/// For people: a line for each test, and what differs below those that fail.
#[must_use]
pub fn text(files: &[Ran]) -> String {
    let mut text = String::new();
    for file in files {
        let _ = writeln!(text, "{}", file.file);
        for test in &file.tests {
            let word = if test.failure.is_some() { "FAIL" } else { "ok  " };
            let _ = writeln!(text, "  {word}  {}", test.name);
            if let Some(failure) = &test.failure {
                for line in told(failure).lines() {
                    let _ = writeln!(text, "          {line}");
                }
            }
        }
    }
    let (passed, failed) = counts(files);
    let _ = writeln!(text, "\n{passed} passed, {failed} failed");
    text
}

/// What differs, and why.
fn told(failure: &Failure) -> String {
    let mut text = String::new();
    for difference in &failure.differences {
        let _ = writeln!(text, "{}", difference.what);
        let _ = writeln!(text, "  - expected  {}", difference.expected);
        let _ = writeln!(text, "  + got       {}", difference.got);
    }
    if !failure.hint.is_empty() {
        let _ = writeln!(text, "{}", failure.hint);
    }
    let trace = &failure.trace;
    let spans = if trace.spans == 1 { "span" } else { "spans" };
    let _ = write!(
        text,
        "the trace {}: {} {spans}, {} with the status ERROR, {} ms",
        trace.id, trace.spans, trace.errors, trace.milliseconds
    );
    if !trace.services.is_empty() {
        let _ = write!(text, ", of {}", trace.services.join(", "));
    }
    let _ = writeln!(text, "\nwhat the policies say of it");
    let all = failure.policies.len() <= POLICIES_TOLD;
    let shown: Vec<_> = failure.policies.iter().filter(|policy| all || policy.yes).collect();
    let width = shown.iter().map(|policy| policy.policy.chars().count()).max().unwrap_or(0);
    for policy in &shown {
        let _ = writeln!(text, "  {:width$}  {}", policy.policy, policy.says);
        let _ = writeln!(text, "  {:width$}    {}", "", policy.does);
    }
    if shown.len() < failure.policies.len() {
        let _ = writeln!(text, "  {} others  no", failure.policies.len() - shown.len());
    }
    text
}

/// For programs: everything, as JSON.
///
/// # Errors
/// When it cannot be written, which is a defect.
pub fn json(files: &[Ran]) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct All<'a> {
        passed: usize,
        failed: usize,
        files: &'a [Ran],
    }
    let (passed, failed) = counts(files);
    serde_json::to_string_pretty(&All { passed, failed, files }).map(|text| text + "\n")
}

/// For continuous integration: JUnit XML, a suite for each file.
///
/// # Errors
/// When it cannot be written, which is a defect.
pub fn junit(files: &[Ran]) -> Result<String, quick_junit::SerializeError> {
    let mut report = Report::new("wholetrace test");
    for file in files {
        let mut suite = TestSuite::new(file.file.as_str());
        for test in &file.tests {
            let status = match &test.failure {
                None => TestCaseStatus::success(),
                Some(failure) => {
                    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                    let differs = failure.differences.iter().map(|difference| {
                        let (expected, got) = (&difference.expected, &difference.got);
                        format!("{}: expected {expected}, got {got}", difference.what)
                    });
                    status.set_message(differs.collect::<Vec<_>>().join("; "));
                    status.set_description(told(failure));
                    status
                }
            };
            suite.add_test_case(TestCase::new(test.name.as_str(), status));
        }
        report.add_test_suite(suite);
    }
    report.to_string()
}
