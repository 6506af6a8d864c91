//! Senders that have tokens, bounds, and backends.

use std::{
    collections::BTreeSet,
    process::{Child, Command, Stdio},
};

use super::{
    gateway_process::Gateway,
    oracle::record,
    process::{succeed, wait_until, wholetrace},
};

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

/// Scenario: two tenants send, and each has an exporter of its own.
///
/// Guarantee: what a tenant sent is in its own file, all of it, and nothing of it in the other's.
#[test]
fn each_tenant_has_its_backend() {
    let tenants = [("shop", "the-token-of-the-shop"), ("bank", "the-token-of-the-bank")];
    let exporter = |name: &str| {
        format!(
            "  file/{name}: {{ path: \"FOLDER/{name}.jsonl\", \
             only: 'attributes[\"tenant\"] == \"{name}\"' }}\n"
        )
    };
    let mut gateway = Gateway::new(&format!(
        "tail_sampling:\n  decision_wait: 1s\n  policies: [{{ name: all, type: always_sample }}]\n\
         exporters:\n{}{}authentication:\n  tenant_attribute: tenant\n  tenants:\n    \
         - {{ name: shop, tokens: [{}] }}\n    - {{ name: bank, tokens: [{}] }}\n",
        exporter("shop"),
        exporter("bank"),
        tenants[0].1,
        tenants[1].1
    ));
    gateway.expect(&[("spans go nowhere", "each of them has a condition, and one holds always")]);
    gateway.start();
    for (name, token) in tenants {
        let authorization = format!("authorization=Bearer {token}");
        let options = ["--traces", "20", "--slow", "0", "--late", "0", "--header", &authorization];
        let (generator, sent) = gateway.generate(&options);
        succeed(generator, "the generator", &gateway.folder.path().join("generate.log"));
        let kept = gateway.folder.path().join(format!("{name}.jsonl"));
        let sent: BTreeSet<_> = record(&sent).into_iter().map(|trace| trace.trace_id).collect();
        wait_until("the tenant's file has its traces, and no others", || {
            let kept = std::fs::read_to_string(&kept).unwrap_or_default();
            let ids = kept.split("\"traceId\":\"").skip(1).filter_map(|rest| rest.get(..32));
            let ids: BTreeSet<_> = ids.map(str::to_owned).collect();
            assert!(ids.is_subset(&sent), "{name}: {ids:?}, sent {sent:?}");
            ids == sent
        });
    }
    assert!(gateway.stop().success(), "{}", gateway.output());
}
