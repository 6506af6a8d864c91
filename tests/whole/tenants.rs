//! Senders that have tokens, and bounds.

use std::process::{Child, Command, Stdio};

use super::{gateway_process::Gateway, process::wholetrace};

/// What the noisy one may send, in bytes a second; it has ten seconds of that to begin with.
const BOUND: u64 = 100_000;
const SECONDS: u64 = 15;

fn generate(gateway: &Gateway, token: &str, options: &[&str]) -> Command {
    let mut command = wholetrace();
    command
        .args(["generate", "--endpoint", &format!("http://127.0.0.1:{}", gateway.grpc)])
        .args(["--header", &format!("authorization=Bearer {token}")])
        .args(["--duration", &format!("{SECONDS}s"), "--slow", "0", "--late", "0"])
        .args(options)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// The last line that a generator says, and whether it could deliver everything.
fn said(generator: Child) -> (bool, String) {
    let output = generator.wait_with_output().expect("the generator ends");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The number before `words`.
fn number(said: &str, words: &str) -> u64 {
    let before = said.split(words).next().unwrap_or_default();
    let number = before.rsplit(|c: char| !c.is_ascii_digit()).find(|number| !number.is_empty());
    number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{words}: {said}"))
}

/// Scenario: of two tenants, one sends fifty times what it may, without waiting for answers; the
/// other sends what it always does.
///
/// Guarantees: the quiet one is not refused once; of the noisy one is taken what it may send, and
/// what is refused is counted.
#[test]
fn a_tenant_at_fifty_times_its_rate_costs_the_other_nothing() {
    let (quiet, noisy) = ("quiet-tenant-token", "noisy-tenant-token");
    let mut gateway = Gateway::new(&format!(
        "tail_sampling:\n  decision_wait: 1s\n  policies: [{{ name: none, type: probabilistic, probabilistic: {{ sampling_percentage: 1 }} }}]\n\
         exporters: {{ file: {{ path: \"FOLDER/kept.jsonl\" }} }}\n\
         authentication:\n  tenants:\n    - {{ name: quiet, tokens: [{quiet}] }}\n    \
         - {{ name: noisy, tokens: [{noisy}], bytes_per_second: {BOUND}B }}\n"
    ));
    gateway.start();
    let usual = ["--rate", "40"];
    let alone = generate(&gateway, quiet, &usual).spawn().expect("the generator starts");
    let (whole, alone) = said(alone);
    assert!(whole, "{alone}");
    // 13 spans of 430 bytes a trace.
    let rate = (50 * BOUND / (13 * 430)).to_string();
    let flood = ["--open-loop", "--rate", &rate, "--batch", "20", "--give-up-after", "1s"];
    let flood = generate(&gateway, noisy, &flood).spawn().expect("the generator starts");
    let beside = generate(&gateway, quiet, &usual).spawn().expect("the generator starts");
    let ((whole, beside), (_, flood)) = (said(beside), said(flood));
    println!("alone: {alone}\nbeside: {beside}\nthe noisy one: {flood}");
    assert!(whole, "{beside}");
    assert_eq!(number(&beside, " repeats"), 0, "{beside}");
    let taken = number(&flood, " spans of") * 430;
    let may = BOUND * (SECONDS + 10);
    assert!((may / 2..may * 5 / 4).contains(&taken), "{taken} bytes of {may}: {flood}");
    let refused = gateway.metric_with("wholetrace_gateway_requests_refused_total", "tenant_rate");
    assert!(refused > 1_000.0, "{refused}");
    assert!(gateway.stop().success(), "{}", gateway.output());
}
