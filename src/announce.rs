//! What the process says when it has started: where everything is, and what to type next.

use std::{fmt::Write as _, net::SocketAddr};

use wholetrace_sampler::exporter::config::ExporterConfig;

use crate::{config::Config, role::Role, wiring::Process};

/// The version that runs.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The start-up message of a process whose operators are answered at `admin`.
pub(crate) fn message(config: &Config, process: &Process, admin: SocketAddr) -> String {
    let role = match process.role {
        Role::Standalone => String::new(),
        role => format!(" {role}"),
    };
    let mut text = format!("\nwholetrace {VERSION}{role} is ready\n\n");
    let mut line = |what: &str, value: &str| {
        let _ = writeln!(text, "  {what:<12}{value}");
    };
    let mut what = "takes spans";
    for (name, address) in process.receivers() {
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
    if process.role.samples() {
        let sampling = &config.tail_sampling;
        let policies: Vec<&str> =
            sampling.policies.iter().map(|policy| policy.name.as_str()).collect();
        let (policies, wait) = (policies.join(", "), sampling.decision_wait);
        line("keeps", &format!("traces by {policies} ({wait} after their first span)"));
        let mut what = "exports to";
        for (name, exporter) in &config.exporters.0 {
            line(what, &format!("{name:<10} {}", target(exporter)));
            what = "";
        }
    }
    line("data", process.log.place());
    line("admin", &format!("http://{admin}/metrics  http://{admin}/readyz"));
    next(&mut text, config, process);
    text
}

/// What to type next.
fn next(text: &mut String, config: &Config, process: &Process) {
    // As it was started: it may be on no search path.
    let program = std::env::args().next().unwrap_or_else(|| "wholetrace".to_owned());
    let said = format!("Ctrl-C stops it; `{program} --help` says more.\n");
    if !process.role.takes_spans() {
        let _ = writeln!(text, "\n{said}");
        return;
    }
    let mut hints = String::new();
    let grpc = process.receivers().find(|(name, _)| name.ends_with("/grpc"));
    // The generator has no token of a tenant.
    if let Some((_, address)) = grpc.filter(|_| config.authentication.tenants.is_empty()) {
        let endpoint = if address.port() == 4317 {
            String::new()
        } else {
            format!("--endpoint http://{address} ")
        };
        let _ = writeln!(hints, "  {program} generate {endpoint}--duration 30s");
    }
    let file = config.exporters.0.iter().find_map(|(_, exporter)| match exporter {
        ExporterConfig::File(file) => Some(file.path.display()),
        _ => None,
    });
    if let Some(file) = file.filter(|_| process.role.samples()) {
        let _ = writeln!(hints, "  tail -f {file}");
    }
    text.push('\n');
    if !hints.is_empty() {
        let _ = write!(text, "Next, in another terminal:\n{hints}");
    }
    if config.receivers.otlp.is_empty() {
        text.push_str("Point a Zipkin tracer at it. ");
    } else {
        text.push_str("Point an SDK at it with OTEL_EXPORTER_OTLP_ENDPOINT. ");
    }
    let _ = writeln!(text, "{said}");
}

fn target(exporter: &ExporterConfig) -> String {
    match exporter {
        ExporterConfig::Otlp(config) => config.endpoint.clone(),
        ExporterConfig::OtlpHttp(config) => config.endpoint.clone(),
        ExporterConfig::File(config) => config.path.display().to_string(),
        ExporterConfig::Debug(_) => "this log".to_owned(),
    }
}
