//! What the process says when it has started: where everything is, and what to type next.

use std::fmt::Write as _;

use wholetrace_sampler::exporter::config::ExporterConfig;

use crate::{config::Config, wiring::Process};

/// The version that runs.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The start-up message.
pub(crate) fn message(config: &Config, process: &Process) -> String {
    let mut text = format!("\nwholetrace {VERSION} is ready\n\n");
    let mut line = |what: &str, value: &str| {
        let _ = writeln!(text, "  {what:<12}{value}");
    };
    let mut what = "takes spans";
    for (name, address) in process.gateway.addresses() {
        let kind = if name.ends_with("/grpc") {
            "OTLP gRPC"
        } else if name.ends_with("/http") {
            "OTLP HTTP"
        } else {
            "Zipkin"
        };
        line(what, &format!("{kind:<10} {address}  ({name})"));
        what = "";
    }
    let sampling = &config.tail_sampling;
    let policies: Vec<&str> = sampling.policies.iter().map(|policy| policy.name.as_str()).collect();
    let wait = sampling.decision_wait;
    line("keeps", &format!("traces by {} ({wait} after their first span)", policies.join(", ")));
    let mut what = "exports to";
    for (name, exporter) in &config.exporters.0 {
        line(what, &format!("{name:<10} {}", target(exporter)));
        what = "";
    }
    let embedded = &config.log.embedded;
    line("data", &format!("{} (at most {})", embedded.directory.display(), embedded.quota));
    let admin = process.admin.local_address();
    line("admin", &format!("http://{admin}/metrics  http://{admin}/readyz"));
    next(&mut text, config, process);
    text
}

/// What to type next.
fn next(text: &mut String, config: &Config, process: &Process) {
    let grpc = process.gateway.addresses().iter().find(|(name, _)| name.ends_with("/grpc"));
    text.push_str("\nNext, in another terminal:\n");
    // As it was started: it may be on no search path.
    let program = std::env::args().next().unwrap_or_else(|| "wholetrace".to_owned());
    if let Some((_, address)) = grpc {
        let endpoint = if address.port() == 4317 {
            String::new()
        } else {
            format!("--endpoint http://{address} ")
        };
        let _ = writeln!(text, "  {program} generate {endpoint}--duration 30s");
    }
    let file = config.exporters.0.iter().find_map(|(_, exporter)| match exporter {
        ExporterConfig::File(file) => Some(file.path.display()),
        _ => None,
    });
    if let Some(file) = file {
        let _ = writeln!(text, "  tail -f {file}");
    }
    let _ = writeln!(
        text,
        "Point an SDK at it with OTEL_EXPORTER_OTLP_ENDPOINT. Ctrl-C stops it; `{program} --help` \
         says more.\n"
    );
}

fn target(exporter: &ExporterConfig) -> String {
    match exporter {
        ExporterConfig::Otlp(config) => config.endpoint.clone(),
        ExporterConfig::OtlpHttp(config) => config.endpoint.clone(),
        ExporterConfig::File(config) => config.path.display().to_string(),
        ExporterConfig::Debug(_) => "this log".to_owned(),
    }
}
