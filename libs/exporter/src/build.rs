//! Exporters and their queues, made from their configuration.

use std::{collections::BTreeMap, io, path::PathBuf, sync::Arc, time::Duration};

use http::Uri;
use wholetrace_runtime::{
    secret::Secret,
    tls::{ClientTlsConfig, TlsError},
};

use crate::{
    backends::Balance,
    config::{
        ExporterConfig, ExportersConfig,
        jaeger::JaegerConfig,
        local::{DebugConfig, FileConfig},
        otlp::{
            BalancerName, KeepaliveConfig, OtlpConfig, OtlpHttpConfig, default_compression,
            header_map,
        },
        zipkin::ZipkinConfig,
    },
    connect::Tls,
    contract::{Exporter, ExporterIndex},
    debug::{DebugExporter, DebugSettings},
    file::{FileExporter, FileSettings},
    grpc::GrpcSettings,
    jaeger::Jaeger,
    only::Only,
    options::Compression,
    otlp_grpc::OtlpGrpc,
    otlp_http::OtlpHttp,
    post::PostSettings,
    proxy::Proxies,
    queue::{ExporterHandle, Queue, QueueSettings, queue},
    resolve::SystemNames,
    rotation::RotationSettings,
    transport::{Keepalive, Transport, TransportSettings},
    zipkin::Zipkin,
};
#[cfg(feature = "kafka")]
use crate::{config::kafka::KafkaExporterConfig, kafka::KafkaExporter};

/// How long requests under way may take when the process stops.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Why an exporter cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The endpoint or a header is wrong, which checking the configuration finds too.
    #[error("exporter `{name}`: {detail}")]
    Config {
        /// The exporter.
        name: String,
        /// What is wrong.
        detail: String,
    },
    /// Certificates cannot be used.
    #[error("exporter `{name}`: {source}")]
    Tls {
        /// The exporter.
        name: String,
        /// Why not.
        source: TlsError,
    },
    /// The file cannot be written.
    #[error(
        "exporter `{name}`: `{path}` cannot be opened for writing: {source}: make the folder and \
         give this process the right to write there, or set another `path`"
    )]
    File {
        /// The exporter.
        name: String,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Makes all exporters of a section, each with the queue in front of it, which is to be
/// [run](Queue::run). No backend is connected to yet: it may be away.
///
/// # Errors
/// The first exporter that cannot be made.
pub fn build_all(section: &ExportersConfig) -> Result<Vec<(ExporterHandle, Queue)>, BuildError> {
    let indexes = (0..=u16::MAX).map(ExporterIndex);
    let exporters = section.0.iter().zip(indexes);
    exporters
        .map(|((name, config), index)| {
            let exporter = build(name, config)?;
            let wrong = |detail| BuildError::Config { name: name.clone(), detail };
            let only = config.only().map(Only::parse).transpose().map_err(wrong)?;
            let (handle, queue) = queue(exporter, index, queue_settings(config));
            Ok((handle.with_only(only), queue))
        })
        .collect()
}

/// Makes the exporter called `name`.
///
/// # Errors
/// See [`BuildError`].
pub fn build(name: &str, config: &ExporterConfig) -> Result<Arc<dyn Exporter>, BuildError> {
    Ok(match config {
        ExporterConfig::Otlp(config) => Arc::new(otlp(name, config)?),
        ExporterConfig::OtlpHttp(config) => Arc::new(otlp_http(name, config)?),
        #[cfg(feature = "kafka")]
        ExporterConfig::Kafka(config) => Arc::new(kafka(name, config)?),
        ExporterConfig::Jaeger(config) => Arc::new(jaeger(name, config)?),
        ExporterConfig::Zipkin(config) => Arc::new(zipkin(name, config)?),
        ExporterConfig::File(config) => Arc::new(file(name, config)?),
        ExporterConfig::Debug(config) => Arc::new(debug(name, config)),
    })
}

/// The bounds of the queue in front of an exporter.
#[must_use]
pub fn queue_settings(config: &ExporterConfig) -> QueueSettings {
    let queue = config.queue();
    QueueSettings {
        capacity: queue.queue_size.as_usize(),
        in_flight: queue.num_consumers,
        batch_bytes: queue.batch.max_size.as_usize(),
        flush_after: queue.batch.flush_timeout.get(),
        retry: config.retry().policy(),
        stop_within: STOP_WITHIN,
    }
}

fn otlp(name: &str, config: &OtlpConfig) -> Result<OtlpGrpc, BuildError> {
    let wrong = |detail: String| BuildError::Config { name: name.to_owned(), detail };
    let request = OfRequest {
        headers: &config.headers,
        compression: config.compression,
        timeout: config.timeout.get(),
    };
    let (balancer, keepalive) = (config.balancer_name, config.keepalive);
    let endpoint = config.uri().map_err(wrong)?;
    let transport = grpc_transport(name, &endpoint, &config.tls, (balancer, keepalive), request)?;
    let settings = request.grpc(name, endpoint);
    OtlpGrpc::new(settings, transport).map_err(|error| wrong(error.to_string()))
}

fn jaeger(name: &str, config: &JaegerConfig) -> Result<Jaeger, BuildError> {
    let wrong = |detail: String| BuildError::Config { name: name.to_owned(), detail };
    let request = OfRequest {
        headers: &config.headers,
        compression: config.compression,
        timeout: config.timeout.get(),
    };
    let (balancer, keepalive) = (config.balancer_name, config.keepalive);
    let endpoint = config.uri().map_err(wrong)?;
    let transport = grpc_transport(name, &endpoint, &config.tls, (balancer, keepalive), request)?;
    let (settings, most) = (request.grpc(name, endpoint), config.max_request_size.as_usize());
    Jaeger::new(settings, most, transport).map_err(|error| wrong(error.to_string()))
}

/// What the configurations of exporters over HTTP and gRPC say of a request.
#[derive(Clone, Copy)]
struct OfRequest<'c> {
    headers: &'c BTreeMap<String, Secret>,
    compression: Option<Compression>,
    timeout: Duration,
}

impl OfRequest<'_> {
    fn grpc(self, name: &str, endpoint: Uri) -> GrpcSettings {
        GrpcSettings {
            name: name.to_owned(),
            compression: self.compression.unwrap_or_else(|| default_compression(&endpoint)),
            endpoint,
            headers: header_map(self.headers),
            timeout: self.timeout,
        }
    }

    fn post(self, name: &str, uri: Uri) -> PostSettings {
        PostSettings {
            name: name.to_owned(),
            compression: self.compression.unwrap_or_else(|| default_compression(&uri)),
            uri,
            headers: header_map(self.headers),
            timeout: self.timeout,
        }
    }
}

/// Connections over gRPC to `endpoint`.
fn grpc_transport(
    name: &str,
    endpoint: &Uri,
    config: &ClientTlsConfig,
    (balancer, keepalive): (Option<BalancerName>, Option<KeepaliveConfig>),
    request: OfRequest<'_>,
) -> Result<Transport, BuildError> {
    let keepalive = keepalive.map(|keepalive| Keepalive {
        time: keepalive.time.get(),
        timeout: keepalive.timeout.get(),
        permit_without_stream: keepalive.permit_without_stream,
    });
    let proxies = through(name, endpoint, Proxies::of_environment(variable, true));
    Ok(Transport::new(TransportSettings {
        balance: balance(balancer, endpoint, &proxies),
        http2_only: true,
        connect_timeout: request.timeout,
        keepalive,
        tls: tls(name, endpoint, config, &[b"h2"])?,
        proxies,
    }))
}

fn otlp_http(name: &str, config: &OtlpHttpConfig) -> Result<OtlpHttp, BuildError> {
    let uri =
        config.uri().map_err(|detail| BuildError::Config { name: name.to_owned(), detail })?;
    let request = OfRequest {
        headers: &config.headers,
        compression: config.compression,
        timeout: config.timeout.get(),
    };
    let transport = http_transport(name, &uri, config.proxy(), &config.tls, request.timeout)?;
    Ok(OtlpHttp::new(request.post(name, uri), config.encoding, transport))
}

fn zipkin(name: &str, config: &ZipkinConfig) -> Result<Zipkin, BuildError> {
    let uri =
        config.uri().map_err(|detail| BuildError::Config { name: name.to_owned(), detail })?;
    let request = OfRequest {
        headers: &config.headers,
        compression: config.compression,
        timeout: config.timeout.get(),
    };
    let transport = http_transport(name, &uri, config.proxy(), &config.tls, request.timeout)?;
    let (service, most) = (&config.default_service_name, config.max_request_size.as_usize());
    Ok(Zipkin::new(request.post(name, uri), service.clone(), most, transport))
}

/// Connections over HTTP to `uri`, through the `proxy` that is named or the one of the environment.
fn http_transport(
    name: &str,
    uri: &Uri,
    proxy: Option<&Secret>,
    config: &ClientTlsConfig,
    connect_timeout: Duration,
) -> Result<Transport, BuildError> {
    let wrong = |detail: String| BuildError::Config { name: name.to_owned(), detail };
    let proxies = match proxy {
        None => Proxies::of_environment(variable, false),
        Some(url) => {
            Proxies::named(url.reveal()).map_err(|error| wrong(format!("`proxy_url` {error}")))?
        }
    };
    Ok(Transport::new(TransportSettings {
        balance: Balance::PickFirst,
        http2_only: false,
        connect_timeout,
        keepalive: None,
        tls: tls(name, uri, config, &[b"h2", b"http/1.1"])?,
        proxies: through(name, uri, proxies),
    }))
}

/// Which of the addresses of `endpoint` get the requests. A proxy on the way finds them itself.
fn balance(name: Option<BalancerName>, endpoint: &Uri, proxies: &Proxies) -> Balance {
    match name {
        Some(BalancerName::RoundRobin) if proxies.of(endpoint).is_none() => {
            Balance::RoundRobin(Arc::new(SystemNames))
        }
        _ => Balance::PickFirst,
    }
}

/// A variable of the environment.
#[expect(clippy::disallowed_methods, reason = "all programs share the variables of proxies")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Says which proxy the exporter called `name` goes through: nobody may remember what the environment
/// holds.
fn through(name: &str, backend: &Uri, proxies: Proxies) -> Proxies {
    if let Some(proxy) = proxies.of(backend) {
        tracing::info!(exporter = name, %proxy, "the backend is reached through a proxy");
    }
    proxies
}

/// The TLS of an exporter to `uri`, which offers the protocols `alpn`.
fn tls(
    name: &str,
    uri: &Uri,
    config: &ClientTlsConfig,
    alpn: &'static [&'static [u8]],
) -> Result<Option<Tls>, BuildError> {
    if uri.scheme_str() != Some("https") {
        return Ok(None);
    }
    let wrong = |source: TlsError| BuildError::Tls { name: name.to_owned(), source };
    Ok(Some(Tls {
        certificates: config.reloading(name, alpn).map_err(wrong)?,
        server_name: config.server_name().map_err(wrong)?,
    }))
}

#[cfg(feature = "kafka")]
fn kafka(name: &str, config: &KafkaExporterConfig) -> Result<KafkaExporter, BuildError> {
    KafkaExporter::new(name, config).map_err(|error| BuildError::Config {
        name: name.to_owned(),
        detail: format!("the Kafka client cannot be made: {error}: check `tls` and `auth`"),
    })
}

fn file(name: &str, config: &FileConfig) -> Result<FileExporter, BuildError> {
    let settings = FileSettings {
        name: name.to_owned(),
        path: config.path.clone(),
        append: config.append,
        create_directory: config.create_directory,
        rotation: RotationSettings {
            max_bytes: config.rotation.max_megabytes.saturating_mul(1 << 20),
            max_days: config.rotation.max_days,
            max_backups: config.rotation.max_backups,
            localtime: config.rotation.localtime,
        },
    };
    FileExporter::open(settings).map_err(|source| BuildError::File {
        name: name.to_owned(),
        path: config.path.clone(),
        source,
    })
}

fn debug(name: &str, config: &DebugConfig) -> DebugExporter {
    DebugExporter::new(DebugSettings {
        name: name.to_owned(),
        verbosity: config.verbosity,
        sampling_initial: config.sampling_initial,
        sampling_thereafter: config.sampling_thereafter,
    })
}
