//! Delivers requests and repeats them until they are acknowledged, as a good SDK does.

use std::{
    collections::VecDeque,
    error::Error,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::{client::legacy, client::legacy::connect::HttpConnector, rt::TokioExecutor};
use prost::Message as _;
use tokio::time::{Instant, sleep, timeout};
use tonic::{
    client::Grpc, codegen::http::uri::PathAndQuery, metadata::MetadataMap, transport::Channel,
};
use wholetrace_proto::otlp::ExportTraceServiceResponse;

use super::options::{Options, Protocol};

/// How long one try may take.
const TRY: Duration = Duration::from_secs(10);
/// Pause after the first failure; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Most bytes of an answer that are read.
const ANSWER: usize = 64 * 1024;

/// A connection to a receiver; made when it is first used, and again after it broke. Clones share it
/// where its protocol can have several requests at a time.
#[derive(Clone)]
pub(crate) struct Sender {
    /// One for each receiver; the first takes the requests until it fails.
    transports: VecDeque<Transport>,
    give_up_after: Duration,
    told: Arc<AtomicBool>,
}

#[derive(Clone)]
enum Transport {
    Grpc { client: Grpc<Channel>, headers: HeaderMap },
    Http { client: legacy::Client<HttpConnector, Full<Bytes>>, url: String, headers: HeaderMap },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passing(message) | Self::Final(message) => f.write_str(message),
        }
    }
}

/// A request that was acknowledged.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Delivered {
    /// Tries that failed before.
    pub(crate) repeats: u64,
    /// Spans that the receiver refused for good.
    pub(crate) rejected: u64,
}

enum Failure {
    /// Worth another try.
    Passing(String),
    Final(String),
}

impl Sender {
    /// The connection with this number. The first of all that share `told` to fail says so.
    ///
    /// # Errors
    /// When an endpoint is no address.
    pub(crate) fn new(
        options: &Options,
        number: usize,
        told: &Arc<AtomicBool>,
    ) -> anyhow::Result<Self> {
        let headers: HeaderMap = options.header.iter().cloned().collect();
        let transport = |at: &String| Transport::new(options.protocol, at, headers.clone());
        let transports = options.endpoint.iter().map(transport);
        let mut transports = transports.collect::<anyhow::Result<VecDeque<_>>>()?;
        let first = number.checked_rem(transports.len()).unwrap_or_default();
        transports.rotate_left(first);
        let told = Arc::clone(told);
        Ok(Self { transports, give_up_after: options.give_up_after, told })
    }

    /// Sends `body`, an `ExportTraceServiceRequest`, until it is acknowledged.
    ///
    /// # Errors
    /// When the receiver refuses it for good, or did not acknowledge it in time.
    pub(crate) async fn deliver(&mut self, body: &Bytes) -> anyhow::Result<Delivered> {
        let begun = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut repeats = 0;
        loop {
            let Some(transport) = self.transports.front_mut() else { bail!("no --endpoint") };
            let tried = timeout(TRY, transport.send(body.clone()));
            let failure = match tried.await {
                Ok(Ok(rejected)) => return Ok(Delivered { repeats, rejected }),
                Ok(Err(failure)) => failure,
                Err(_) => Failure::Passing(format!("no answer in {} s", TRY.as_secs())),
            };
            self.tell(&failure);
            match failure {
                Failure::Final(message) => bail!("the receiver refused a request: {message}"),
                Failure::Passing(message) if begun.elapsed() >= self.give_up_after => {
                    bail!(
                        "not acknowledged in {} s (--give-up-after): {message}",
                        self.give_up_after.as_secs()
                    )
                }
                Failure::Passing(_) => {
                    repeats += 1;
                    self.transports.rotate_left(1);
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }
}

impl Sender {
    /// The first failure of a run is told at once: nobody shall wait for a receiver that is not there.
    #[expect(clippy::print_stderr, reason = "it is for who waits at the terminal")]
    fn tell(&self, failure: &Failure) {
        if !self.told.swap(true, Ordering::Relaxed) {
            let seconds = self.give_up_after.as_secs();
            eprintln!("{failure}; trying again, for {seconds} s at most (--give-up-after)");
        }
    }
}

impl Transport {
    fn new(protocol: Protocol, endpoint: &str, headers: HeaderMap) -> anyhow::Result<Self> {
        Ok(match protocol {
            Protocol::Grpc => {
                let address = Channel::from_shared(endpoint.to_owned()).with_context(|| {
                    format!("--endpoint `{endpoint}` is not an address like http://HOST:PORT")
                })?;
                let client = Grpc::new(address.tcp_nodelay(true).connect_lazy());
                Self::Grpc { client, headers }
            }
            Protocol::Http => Self::Http {
                client: legacy::Client::builder(TokioExecutor::new()).build_http(),
                url: format!("{}/v1/traces", endpoint.trim_end_matches('/')),
                headers,
            },
        })
    }

    /// Sends once; gives how many spans were rejected.
    async fn send(&mut self, body: Bytes) -> Result<u64, Failure> {
        let answer = match self {
            Self::Grpc { client, headers } => {
                client.ready().await.map_err(|error| Failure::Passing(whole(&error)))?;
                let path = PathAndQuery::from_static(
                    "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
                );
                let mut request = tonic::Request::new(body);
                *request.metadata_mut() = MetadataMap::from_headers(headers.clone());
                let codec = wholetrace_runtime::grpc::BytesCodec;
                let answer = client.unary(request, path, codec).await;
                answer.map_err(|status| grpc_failure(&status))?.into_inner()
            }
            Self::Http { client, url, headers } => {
                let mut request = http::Request::builder()
                    .method(Method::POST)
                    .uri(url.as_str())
                    .header(header::CONTENT_TYPE, "application/x-protobuf")
                    .body(Full::new(body))
                    .map_err(|error| Failure::Final(error.to_string()))?;
                request.headers_mut().extend(headers.clone());
                let answer = client
                    .request(request)
                    .await
                    .map_err(|error| Failure::Passing(whole(&error)))?;
                let status = answer.status();
                let body = Limited::new(answer.into_body(), ANSWER).collect().await;
                let body = body.map_err(|error| Failure::Passing(error.to_string()))?.to_bytes();
                if !status.is_success() {
                    return Err(http_failure(status, &body));
                }
                body
            }
        };
        let answer = ExportTraceServiceResponse::decode(answer)
            .map_err(|error| Failure::Final(error.to_string()))?;
        let rejected = answer.partial_success.map_or(0, |partial| partial.rejected_spans);
        Ok(u64::try_from(rejected).unwrap_or_default())
    }
}

/// An error with all that it came of: "transport error" alone says nothing.
fn whole(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

fn grpc_failure(status: &tonic::Status) -> Failure {
    use tonic::Code;
    let cause = status.source().map(|cause| format!(": {}", whole(cause))).unwrap_or_default();
    let message = format!("{}: {}{cause}", status.code(), status.message());
    match status.code() {
        Code::InvalidArgument
        | Code::Unimplemented
        | Code::Unauthenticated
        | Code::PermissionDenied
        | Code::NotFound => Failure::Final(message),
        // A connection that breaks shows as any of the others.
        _ => Failure::Passing(message),
    }
}

fn http_failure(status: StatusCode, body: &[u8]) -> Failure {
    let message = format!("{status}: {}", String::from_utf8_lossy(body));
    match status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Failure::Passing(message),
        _ => Failure::Final(message),
    }
}
