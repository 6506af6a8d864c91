//! The `receivers` section, in the Collector's words.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, Visitor},
    ser::SerializeMap,
};
use wholetrace_runtime::{tls::ServerTlsConfig, units::HumanDuration};

/// The receivers by name: `otlp`, `zipkin`, or either with a name of your own behind a slash
/// (`otlp/agents`), as often as needed. A configuration without this section listens for OTLP and
/// Zipkin on their usual ports of the loopback interface.
#[derive(Clone, Debug)]
pub struct ReceiversConfig {
    /// OTLP over gRPC and HTTP.
    pub otlp: BTreeMap<String, OtlpConfig>,
    /// Zipkin v2 JSON.
    pub zipkin: BTreeMap<String, ZipkinConfig>,
}

/// An OTLP receiver.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OtlpConfig {
    /// The transports to listen on: `grpc`, `http` or both.
    pub protocols: OtlpProtocols,
}

/// The transports of an OTLP receiver. One that is not named is not listened on; one that is named
/// without settings has the defaults.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OtlpProtocols {
    /// OTLP over gRPC.
    #[serde(deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    pub grpc: Option<OtlpGrpcConfig>,
    /// OTLP over HTTP, protobuf and JSON on one port.
    #[serde(deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    pub http: Option<OtlpHttpConfig>,
}

/// OTLP over gRPC.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OtlpGrpcConfig {
    /// Address and port to listen on; port 0 takes a free one. Only this machine reaches a
    /// loopback address.
    pub endpoint: String,
    /// Largest message in MiB, inflated. 1 to 1,024, and at most a third of `limits.in_flight`, to
    /// which the default gives way. Generous, because SDKs send a message that was too large again and
    /// again or drop it.
    pub max_recv_msg_size_mib: u32,
    /// Serves TLS with this certificate; without it the listener is not encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ServerTlsConfig>,
    /// Pings that notice senders that are gone, and the age of connections.
    pub keepalive: KeepaliveConfig,
}

/// Pings on HTTP/2 connections, and how long these live.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KeepaliveConfig {
    /// What the server does on its own.
    pub server_parameters: KeepaliveServerConfig,
}

/// When the server pings, and when it closes connections.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KeepaliveServerConfig {
    /// Silence after which a ping is sent. 1s to 24h.
    pub time: HumanDuration,
    /// Time to answer it; then the connection is closed. 1s to 10m.
    pub timeout: HumanDuration,
    /// After this time, a tenth more or less by chance, a connection takes no new requests: its sender
    /// makes another one, through a load balancer to a gateway that was added meanwhile. 1s to 8760h;
    /// `0s` for no bound.
    pub max_connection_age: HumanDuration,
    /// How long requests that were under way by then may take; after it they are cut off. 1s to
    /// 8760h; `0s` for no bound but `limits.request_timeout`.
    pub max_connection_age_grace: HumanDuration,
    /// Time without requests after which a connection is closed, if it is shorter than
    /// `limits.idle_timeout`. 1s to 8760h; `0s` for that.
    pub max_connection_idle: HumanDuration,
}

/// OTLP over HTTP.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OtlpHttpConfig {
    /// Address and port to listen on; port 0 takes a free one. Only this machine reaches a
    /// loopback address.
    pub endpoint: String,
    /// Largest body in bytes, inflated. 1,024 to 1,073,741,824, and at most a third of
    /// `limits.in_flight`, to which the default gives way.
    pub max_request_body_size: u64,
    /// Path of trace requests.
    pub traces_url_path: String,
    /// Further paths that take trace requests, for senders whose endpoint is used as it stands
    /// (`/` is a usual one).
    pub extra_traces_url_paths: Vec<String>,
    /// Serves TLS with this certificate; without it the listener is not encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ServerTlsConfig>,
    /// Lets pages of these origins send from a browser; without it none may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors: Option<CorsConfig>,
}

/// Cross-origin requests, from browsers.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CorsConfig {
    /// Origins that may send, such as `https://shop.example`, with `*` for any run of characters;
    /// a lone `*` is every origin.
    pub allowed_origins: Vec<String>,
    /// Headers they may use beside the simple ones; `*` is every header. `Content-Type`,
    /// `Content-Encoding` and `traceparent` need not be listed.
    pub allowed_headers: Vec<String>,
    /// Seconds for which browsers may remember the answer; 0 leaves it to them.
    pub max_age: u32,
}

/// A Zipkin receiver.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ZipkinConfig {
    /// Address and port to listen on; port 0 takes a free one. Only this machine reaches a
    /// loopback address.
    pub endpoint: String,
    /// Largest body in bytes, inflated. 1,024 to 1,073,741,824, and at most a seventh of
    /// `limits.in_flight`, to which the default gives way.
    pub max_request_body_size: u64,
    /// Serves TLS with this certificate; without it the listener is not encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ServerTlsConfig>,
}

const MIB_64: u64 = 64 << 20;

impl Default for ReceiversConfig {
    fn default() -> Self {
        let protocols = OtlpProtocols {
            grpc: Some(OtlpGrpcConfig::default()),
            http: Some(OtlpHttpConfig::default()),
        };
        Self {
            otlp: BTreeMap::from([("otlp".to_owned(), OtlpConfig { protocols })]),
            zipkin: BTreeMap::from([("zipkin".to_owned(), ZipkinConfig::default())]),
        }
    }
}

impl Default for OtlpGrpcConfig {
    fn default() -> Self {
        Self {
            endpoint: "127.0.0.1:4317".to_owned(),
            max_recv_msg_size_mib: 64,
            tls: None,
            keepalive: KeepaliveConfig::default(),
        }
    }
}

impl Default for KeepaliveServerConfig {
    fn default() -> Self {
        let unbounded = HumanDuration::from_secs(0);
        Self {
            time: HumanDuration::from_secs(30),
            timeout: HumanDuration::from_secs(20),
            max_connection_age: unbounded,
            max_connection_age_grace: unbounded,
            max_connection_idle: unbounded,
        }
    }
}

impl Default for OtlpHttpConfig {
    fn default() -> Self {
        Self {
            endpoint: "127.0.0.1:4318".to_owned(),
            max_request_body_size: MIB_64,
            traces_url_path: "/v1/traces".to_owned(),
            extra_traces_url_paths: Vec::new(),
            tls: None,
            cors: None,
        }
    }
}

impl Default for ZipkinConfig {
    fn default() -> Self {
        // Half of the others': it grows when it is translated.
        Self { endpoint: "127.0.0.1:9411".to_owned(), max_request_body_size: 32 << 20, tls: None }
    }
}

impl ReceiversConfig {
    /// What is listened on, with its key path.
    #[must_use]
    pub fn endpoints(&self) -> Vec<(String, &str)> {
        let mut endpoints = Vec::new();
        for (name, receiver) in &self.otlp {
            let path = format!("receivers.{name}.protocols");
            if let Some(grpc) = &receiver.protocols.grpc {
                endpoints.push((format!("{path}.grpc.endpoint"), grpc.endpoint.as_str()));
            }
            if let Some(http) = &receiver.protocols.http {
                endpoints.push((format!("{path}.http.endpoint"), http.endpoint.as_str()));
            }
        }
        for (name, receiver) in &self.zipkin {
            endpoints.push((format!("receivers.{name}.endpoint"), receiver.endpoint.as_str()));
        }
        endpoints
    }
}

/// Tells a key that is named without a value (`grpc:`) from one that is absent.
fn named<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::<T>::deserialize(deserializer).map(|value| Some(value.unwrap_or_default()))
}

impl<'de> Deserialize<'de> for ReceiversConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ByName)
    }
}

struct ByName;

impl<'de> Visitor<'de> for ByName {
    type Value = ReceiversConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("receivers by name, such as `otlp` or `zipkin`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = ReceiversConfig { otlp: BTreeMap::new(), zipkin: BTreeMap::new() };
        while let Some(name) = map.next_key::<String>()? {
            match name.split('/').next() {
                Some("otlp") => {
                    let receiver = map.next_value::<Option<OtlpConfig>>()?.unwrap_or_default();
                    found.otlp.insert(name, receiver);
                }
                Some("zipkin") => {
                    let receiver = map.next_value::<Option<ZipkinConfig>>()?.unwrap_or_default();
                    found.zipkin.insert(name, receiver);
                }
                _ => {
                    return Err(A::Error::custom(format_args!(
                        "unknown receiver `{name}`: expected `otlp` or `zipkin`, \
                         with an optional name behind a slash"
                    )));
                }
            }
        }
        Ok(found)
    }
}

impl Serialize for ReceiversConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.otlp.len() + self.zipkin.len()))?;
        for (name, receiver) in &self.otlp {
            map.serialize_entry(name, receiver)?;
        }
        for (name, receiver) in &self.zipkin {
            map.serialize_entry(name, receiver)?;
        }
        map.end()
    }
}

impl JsonSchema for ReceiversConfig {
    fn schema_name() -> Cow<'static, str> {
        "ReceiversConfig".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let otlp = generator.subschema_for::<OtlpConfig>();
        let zipkin = generator.subschema_for::<ZipkinConfig>();
        json_schema!({
            "type": "object",
            "description": "The receivers by name: `otlp`, `zipkin`, or either with a name of \
                your own behind a slash (`otlp/agents`), as often as needed. A configuration \
                without this section listens for OTLP and Zipkin on their usual ports of the \
                loopback interface.",
            "properties": { "otlp": otlp, "zipkin": zipkin },
            "patternProperties": { "^otlp/": otlp, "^zipkin/": zipkin },
            "additionalProperties": false,
        })
    }
}
