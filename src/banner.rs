//! What the process says when it has started: where everything is, and what to type next.

use std::{
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
};

use wholetrace_exporter::config::ExporterConfig;
use wholetrace_gateway::{Address, Listener, ListenerKind};

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
    let bound = bound(config, process.receivers());
    let mut what = "takes spans";
    for (Listener { name, kind, .. }, address) in &bound {
        line(what, &format!("{:<10} {address}  ({name})", kind.title()));
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
    next(&mut text, config, process, &bound);
    text
}

/// A listener as configured, and where it is.
type Bound<'c> = (Listener<'c>, Address);

/// The listeners of `config` that are at `addresses`, in that order.
fn bound<'a>(
    config: &Config,
    addresses: impl Iterator<Item = (&'a String, &'a Address)>,
) -> Vec<Bound<'_>> {
    let mut listeners = config.receivers.listeners();
    let bound = addresses.filter_map(|(name, address)| {
        let index = listeners.iter().position(|listener| listener.name == *name)?;
        Some((listeners.swap_remove(index), address.clone()))
    });
    bound.collect()
}

/// Those with a port: the generator and most SDKs know of no other.
fn at_ports<'b, 'c>(
    bound: &'b [Bound<'c>],
) -> impl Iterator<Item = (&'b Listener<'c>, SocketAddr)> {
    bound.iter().filter_map(|(listener, address)| Some((listener, address.ip()?)))
}

/// What to type next.
fn next(text: &mut String, config: &Config, process: &Process, bound: &[Bound<'_>]) {
    // As it was started: it may be on no search path.
    let program = std::env::args().next().unwrap_or_else(|| "wholetrace".to_owned());
    let said = format!("Ctrl-C stops it; `{program} --help` says more.\n");
    if !process.role.takes_spans() {
        let _ = writeln!(text, "\n{said}");
        return;
    }
    let mut hints = String::new();
    let grpc = at_ports(bound).find(|(listener, _)| listener.kind == ListenerKind::OtlpGrpc);
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
    let to_sdks = sdk(config, bound);
    if to_sdks.is_empty() {
        text.push_str("Point a Zipkin tracer at it.\n");
    } else {
        text.push_str("Point an SDK at it, over HTTP (what most SDKs do) or gRPC:\n");
        text.push_str(&to_sdks);
    }
    let _ = writeln!(text, "{said}");
}

/// The variables by which SDKs find the first receiver of each kind. The ports are not to be mixed up:
/// without the protocol, most SDKs take HTTP.
fn sdk(config: &Config, bound: &[Bound<'_>]) -> String {
    let tenants = !config.authentication.tenants.is_empty();
    let token =
        if tenants { " OTEL_EXPORTER_OTLP_HEADERS='authorization=Bearer%20TOKEN'" } else { "" };
    let mut text = String::new();
    for (kind, protocol) in
        [(ListenerKind::OtlpHttp, "http/protobuf"), (ListenerKind::OtlpGrpc, "grpc")]
    {
        let found = at_ports(bound).find(|(listener, _)| listener.kind == kind);
        let Some((listener, address)) = found else { continue };
        let encrypted = listener.tls.is_some();
        let scheme = if encrypted { "https" } else { "http" };
        // The names in certificates, and the address that others reach this machine by, are not known.
        let host = match address.ip() {
            ip if ip.is_unspecified() || encrypted => "HOST".to_owned(),
            IpAddr::V6(ip) => format!("[{ip}]"),
            IpAddr::V4(ip) => ip.to_string(),
        };
        let port = address.port();
        let _ = writeln!(
            text,
            "  OTEL_EXPORTER_OTLP_ENDPOINT={scheme}://{host}:{port} \
             OTEL_EXPORTER_OTLP_PROTOCOL={protocol}{token}"
        );
    }
    text
}

fn target(exporter: &ExporterConfig) -> String {
    match exporter {
        ExporterConfig::Otlp(config) => config.endpoint.clone(),
        ExporterConfig::OtlpHttp(config) => config.endpoint.clone(),
        #[cfg(feature = "kafka")]
        ExporterConfig::Kafka(config) => {
            format!("{} of {}", config.topic(), config.brokers.join(","))
        }
        ExporterConfig::Jaeger(config) => config.endpoint.clone(),
        ExporterConfig::Zipkin(config) => config.endpoint.clone(),
        ExporterConfig::File(config) => config.path.display().to_string(),
        ExporterConfig::Debug(_) => "this log".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use wholetrace_gateway::ReceiversConfig;

    use super::*;

    fn said(text: &str, receivers: &[(&str, &str)]) -> String {
        let receivers_config: ReceiversConfig = serde_json::from_str(text).unwrap();
        let config = Config { receivers: receivers_config, ..Config::default() };
        let owned = |(name, address): &(&str, &str)| {
            let address = match address.parse() {
                Ok(address) => Address::Ip(address),
                Err(_) => Address::Path(address.into()),
            };
            ((*name).to_owned(), address)
        };
        let receivers: Vec<(String, Address)> = receivers.iter().map(owned).collect();
        let addresses = receivers.iter().map(|(name, address)| (name, address));
        sdk(&config, &bound(&config, addresses))
    }

    /// What is told of a listener comes from what it is, not from what it is called.
    #[test]
    fn a_zipkin_receiver_is_one_under_any_name() {
        let zipkin = r#"{"zipkin/grpc": {}, "zipkin/http": {}}"#;
        let receivers = [("zipkin/grpc", "127.0.0.1:9411"), ("zipkin/http", "127.0.0.1:9412")];
        assert_eq!(said(zipkin, &receivers), "");
    }

    #[test]
    fn sdks_are_told_both_endpoints_whole() {
        let both = r#"{"otlp": {"protocols": {"grpc": {}, "http": {}}}}"#;
        let http = "  OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 \
                    OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf\n";
        let grpc = "  OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317 \
                    OTEL_EXPORTER_OTLP_PROTOCOL=grpc\n";
        let receivers = [("otlp/grpc", "127.0.0.1:4317"), ("otlp/http", "127.0.0.1:4318")];
        assert_eq!(said(both, &receivers), format!("{http}{grpc}"));
        assert_eq!(said(both, &receivers[..1]), grpc);
        // Most SDKs know of no socket.
        let unix = [("otlp/grpc", "/run/otlp.sock"), receivers[1]];
        assert_eq!(said(both, &unix), http);
        let tls = r#"{"otlp/a": {"protocols": {"grpc": {"tls": {"cert_file": "x"}}}}}"#;
        let said = said(tls, &[("otlp/a/grpc", "[::]:4317"), ("zipkin", "127.0.0.1:9411")]);
        assert!(said.starts_with("  OTEL_EXPORTER_OTLP_ENDPOINT=https://HOST:4317 "), "{said}");
    }
}
