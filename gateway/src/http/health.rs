//! `grpc.health.v1` of a listener: what clients, balancers and probes ask.
//!
//! It stands beside the way of requests: it needs no token and no lease, so that a gateway that
//! refuses others because it is busy is not taken for one that is gone, and counts as no request.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, request::Parts};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use prost::Message;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};
use tonic::{Code, Status};

use crate::{
    http::{
        answer::{self, body::AnswerBody},
        grpc::{self, framed},
    },
    inflate::Encoding,
};

const CHECK_PATH: &str = "/grpc.health.v1.Health/Check";
const WATCH_PATH: &str = "/grpc.health.v1.Health/Watch";

/// How many calls of a connection may watch at once: a client watches the one service that it sends
/// to, and a watch takes memory for as long as the connection is open.
pub(crate) const WATCHES_MAX: usize = 8;

/// The largest question, with its framing.
const REQUEST_BYTES_MAX: usize = 4 << 10;

/// How long a question may take to come.
const REQUEST_TIME: Duration = Duration::from_secs(5);

/// A call of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HealthCall {
    /// How a service is.
    Check,
    /// How it is from now on.
    Watch,
}

/// `HealthCheckRequest`.
#[derive(Message)]
struct HealthCheckRequest {
    /// The service that is asked about; none is the whole.
    #[prost(string, tag = "1")]
    service: String,
}

/// What is answered about a service: the numbers of `HealthCheckResponse.ServingStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Serving = 1,
    NotServing = 2,
    ServiceUnknown = 3,
}

/// The health of the services of a listener.
#[derive(Clone, Debug)]
pub(crate) struct HealthService {
    services: Vec<String>,
    /// Whether the gateway serves.
    serving: watch::Receiver<bool>,
}

impl HealthCall {
    /// The call that a request of gRPC with this `head` makes, if it makes one.
    pub(crate) fn of(head: &Parts) -> Option<Self> {
        match head.uri.path() {
            _ if head.method != Method::POST => None,
            CHECK_PATH => Some(Self::Check),
            WATCH_PATH => Some(Self::Watch),
            _ => None,
        }
    }
}

impl Health {
    /// `HealthCheckResponse`.
    const fn message(self) -> [u8; 2] {
        [0x08, self as u8]
    }
}

impl HealthService {
    /// The health of the services whose methods have these `paths`. It is well while `serving` is
    /// true.
    pub(crate) fn new<'p>(
        paths: impl Iterator<Item = &'p str>,
        serving: watch::Receiver<bool>,
    ) -> Self {
        let service = |path: &'p str| path.strip_prefix('/')?.split_once('/').map(|(name, _)| name);
        Self { services: paths.filter_map(service).map(str::to_owned).collect(), serving }
    }

    /// Answers `call`, which came on a connection that has room for `watches`.
    pub(crate) async fn answer(
        &self,
        call: HealthCall,
        watches: Option<&Arc<Semaphore>>,
        body: Incoming,
    ) -> Response<AnswerBody> {
        let service = match asked(body).await {
            Ok(service) => service,
            Err(status) => return answer::status(status),
        };
        let health = self.of(&service);
        match call {
            HealthCall::Check if health == Health::ServiceUnknown => {
                let served = self.services.join("`, `");
                let message = format!("`{service}` is not served here, but `{served}`");
                answer::status(Status::new(Code::NotFound, message))
            }
            HealthCall::Check => answer::message(&health.message()),
            HealthCall::Watch => {
                match watches.and_then(|room| room.clone().try_acquire_owned().ok()) {
                    Some(permit) => self.watch(health, permit),
                    None => {
                        let message = format!(
                            "{WATCHES_MAX} calls of this connection watch already, which is the most: \
                         end one of them, or ask by `Check`"
                        );
                        answer::status(Status::new(Code::ResourceExhausted, message))
                    }
                }
            }
        }
    }

    /// How `service` is now.
    fn of(&self, service: &str) -> Health {
        let is_known = service.is_empty() || self.services.iter().any(|known| known == service);
        match *self.serving.borrow() {
            _ if !is_known => Health::ServiceUnknown,
            true => Health::Serving,
            false => Health::NotServing,
        }
    }

    /// Tells how a service is, and ends when the gateway does: an open call would keep it.
    fn watch(&self, health: Health, permit: OwnedSemaphorePermit) -> Response<AnswerBody> {
        let mut serving = self.serving.clone();
        let later = async move {
            // An error is the end of the gateway too.
            let _ = serving.wait_for(|serving| !serving).await;
            let last = match health {
                Health::Serving => framed(&Health::NotServing.message()),
                Health::NotServing | Health::ServiceUnknown => Bytes::new(),
            };
            let mut trailers = HeaderMap::new();
            // Clients ask again elsewhere.
            trailers.insert("grpc-status", HeaderValue::from_static("14"));
            trailers.insert("grpc-message", HeaderValue::from_static("the gateway stops"));
            drop(permit);
            (last, trailers)
        };
        answer::stream(&health.message(), later)
    }
}

/// The service that the question in `body` is about.
async fn asked(body: Incoming) -> Result<String, Status> {
    let malformed = |message: String| Status::new(Code::InvalidArgument, message);
    let read = timeout(REQUEST_TIME, Limited::new(body, REQUEST_BYTES_MAX).collect()).await;
    let read = read.map_err(|_| malformed("the request did not come in time".to_owned()))?;
    let body = read.map_err(|error| malformed(format!("the request cannot be read: {error}")))?;
    let (_, message) = grpc::message(Encoding::Identity, body.to_bytes())
        .map_err(|rejection| malformed(rejection.message.into_owned()))?;
    let request = HealthCheckRequest::decode(message)
        .map_err(|error| malformed(format!("the request is malformed: {error}")))?;
    Ok(request.service)
}
