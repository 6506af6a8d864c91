//! A real Envoy, whose Zipkin tracer reports to `wholetrace`, into a real Jaeger.

use std::{
    fs::{self, File},
    process::{Child, Command, Stdio},
};

use super::{
    gateway_process::Gateway,
    jaeger::Jaeger,
    parts::{built, folder, free_port, stands},
    process::{get, wait_until},
    sender::ERRORS_ARE_KEPT,
};

/// A running Envoy. Killed when dropped.
pub(crate) struct Envoy {
    _folder: tempfile::TempDir,
    /// The port whose spans go out as JSON. Envoy's defaults: ids of 64 bits, a span for the side of
    /// the server alone, which has its caller's id.
    pub(crate) json: u16,
    /// The port whose spans go out as protobuf: ids of 128 bits, a span for each side.
    pub(crate) proto: u16,
    child: Child,
}

impl Envoy {
    /// Starts it, to report to this port, and waits until it serves.
    pub(crate) fn start(zipkin: u16) -> Self {
        let place = tempfile::tempdir().expect("a folder");
        let (json, proto, admin) = (free_port(), free_port(), free_port());
        let config = fs::read_to_string(folder().join("envoy/config.yaml")).expect("the template");
        let config = config
            .replace("ADMIN_PORT", &admin.to_string())
            .replace("JSON_PORT", &json.to_string())
            .replace("PROTO_PORT", &proto.to_string())
            .replace("BEHIND_PORT", &free_port().to_string())
            .replace("ZIPKIN_PORT", &zipkin.to_string());
        fs::write(place.path().join("config.yaml"), config).expect("the configuration");
        let output = place.path().join("output");
        let log = File::create(&output).expect("the log file");
        let child = Command::new(built("envoy/bin/envoy"))
            .arg("--config-path")
            .arg(place.path().join("config.yaml"))
            .args(["--service-cluster", "front-proxy", "--service-node", "front-1"])
            .args(["--concurrency", "1", "--use-dynamic-base-id", "--disable-hot-restart"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("Envoy starts");
        let mut envoy = Self { _folder: place, json, proto, child };
        wait_until("Envoy serves", || {
            let ended = envoy.child.try_wait().ok().flatten();
            let said = || fs::read_to_string(&output).unwrap_or_default();
            assert!(ended.is_none(), "Envoy ended with {ended:?}: {}", said());
            get(&format!("http://127.0.0.1:{admin}/ready")).is_some_and(|is| is.contains("LIVE"))
        });
        envoy
    }

    /// Sends a request through a port of it: in the name of a caller, if there is one, that has this
    /// trace and span. What is behind it answers with 503 if it is to. Gives the trace and the span that
    /// what is behind it was told. All ids are in hexadecimal.
    pub(crate) fn ask(port: u16, caller: Option<[&str; 2]>, fails: bool) -> (String, String) {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build();
        let path = if fails { "fails" } else { "works" };
        let url = format!("http://127.0.0.1:{port}/{path}");
        let mut request = ureq::Agent::from(agent).get(&url);
        if let Some([trace, span]) = caller {
            // As OpenTelemetry's SDK for Go has it: the parent of the caller's span is not told.
            request = request.header("x-b3-traceid", trace).header("x-b3-spanid", span);
            request = request.header("x-b3-sampled", "1");
        }
        let answer = request.call().expect("an answer");
        assert_eq!(answer.status().as_u16(), if fails { 503 } else { 200 });
        let told = answer.headers().get("traced").expect("what is behind it says what it was told");
        let (trace, span) = told.to_str().expect("text").split_once(':').expect("two ids");
        (trace.to_owned(), span.to_owned())
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Scenario: an Envoy reports to us as to a Zipkin, in JSON as it does by default, and in protobuf as
/// meshes set it. Of the requests that it passes on, some fail.
///
/// Guarantee: the traces of those are whole in Jaeger, under Envoy's own name and with its tags; the
/// others are not there.
#[test]
fn an_envoy_that_reports_to_a_zipkin() {
    let parts = ["jaeger", "envoy"].map(stands);
    if parts.contains(&false) {
        return;
    }
    let mut jaeger = Jaeger::new();
    jaeger.start();
    let mut gateway = Gateway::new(&format!("{ERRORS_ARE_KEPT}{}", jaeger.exporter()));
    gateway.start();
    let envoy = Envoy::start(gateway.zipkin);
    for (port, digits, kinds) in
        [(envoy.json, 16, &["server"][..]), (envoy.proto, 32, &["client", "server"])]
    {
        let asked = [true, false, true].map(|fails| (fails, Envoy::ask(port, None, fails)));
        for (_, (trace, _)) in asked.iter().filter(|(fails, _)| *fails) {
            assert_eq!(trace.len(), digits);
            wait_until("a trace that failed is whole in Jaeger", || {
                jaeger.trace(trace).len() == kinds.len()
            });
            let spans = jaeger.spans(trace);
            let context = format!("{spans:#?}");
            let of = |key: &str| {
                let value = |span: &serde_json::Value| {
                    let tags = span["tags"].as_array().into_iter().flatten();
                    let mut values = tags.filter(|tag| tag["key"] == key).map(|tag| &tag["value"]);
                    values.next().unwrap_or_default().to_string()
                };
                let mut values: Vec<_> = spans.iter().map(value).collect();
                values.sort();
                values
            };
            let all = |value: &str| vec![format!("\"{value}\""); kinds.len()];
            assert_eq!(
                of("span.kind"),
                kinds.iter().map(|kind| format!("\"{kind}\"")).collect::<Vec<_>>()
            );
            assert_eq!(of("component"), all("proxy"), "{context}");
            assert_eq!(of("http.status_code"), all("503"), "{context}");
            for span in &spans {
                assert_eq!(span["process"]["serviceName"], "front-proxy", "{context}");
            }
        }
        for (_, (trace, _)) in asked.iter().filter(|(fails, _)| !fails) {
            assert!(jaeger.trace(trace).is_empty(), "{trace} was exported");
        }
    }
    assert!(gateway.stop().success(), "{}", gateway.output());
}
