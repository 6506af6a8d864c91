//! The way of a request over HTTP, outermost first. This file is the whole of it.
//!
//! Connections and heads have their limits before a request gets here: see `connection`.
//!
//! | step | takes → gives | why there |
//! |---|---|---|
//! | `cors` | a request | a layer: a browser's preflight is answered before anything else looks at it, and every answer carries the headers without which a page may not read it |
//! | `answer` | head → route; outcome → answer | outside of all that can refuse or panic, so that each refusal is counted once and told in the words of the protocol |
//! | `admit`: tenant | head → quota | rejects unknown tenants, and those over their quota, before any further work |
//! | `admit`: memory | head | costs nothing, and rejects before anything of the body is read |
//! | `admit`: lease | head → lease | a body is read only when bytes are leased for it |
//! | `receive` | lease → body | in time and within the cap of the receiver |
//! | `Call::message` | body → message | takes off the framing of gRPC |
//! | `Intake::take` | message → outcome | inflates, translates, splits, appends, waits for the log: the same for every transport |

use std::{convert::Infallible, net::SocketAddr, panic::AssertUnwindSafe, sync::Arc};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{
    Request, Response, Version,
    header::{CONTENT_LENGTH, EXPECT},
    request::Parts,
};
use hyper::body::Incoming;
use tokio::{sync::Semaphore, time::Instant};
use tower::{
    ServiceBuilder, service_fn,
    util::{BoxCloneSyncService, option_layer},
};
use tower_http::cors::CorsLayer;
use wholetrace_runtime::budget::ByteBudget;

use crate::{
    admission::{Admission, lease::RequestLease, tenants::TenantQuota},
    http::{
        answer::{self, body::AnswerBody},
        body::{Bounds, discard, first_lease, read, too_large},
        grpc,
        health::{HealthCall, HealthService, WATCHES_MAX},
        route::{Call, RouteTable},
    },
    inflate::Encoding,
    intake::{Intake, Message},
    metrics::{ReceiverMetrics, RequestMetrics, Stage},
    outcome::Accepted,
    reject::{RejectReason, Rejection},
    remote_sampling::query::{Queries, Query, service_of_call},
};

/// What a request has of its connection: an extension of the request.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionInfo {
    /// What the connection may hold of the bytes in flight.
    pub(crate) in_flight: ByteBudget,
    /// Who is at its other end.
    pub(crate) peer: Option<SocketAddr>,
    /// Room for calls that watch the health of a service.
    pub(crate) watches: Arc<Semaphore>,
}

impl ConnectionInfo {
    /// A connection of `peer` that may hold what `in_flight` has.
    pub(crate) fn new(in_flight: ByteBudget, peer: Option<SocketAddr>) -> Self {
        Self { in_flight, peer, watches: Arc::new(Semaphore::new(WATCHES_MAX)) }
    }
}

/// What the requests of a listener go through.
pub(crate) struct HttpReceiver {
    pub(crate) routes: RouteTable,
    pub(crate) admission: Admission,
    pub(crate) intake: Arc<Intake>,
    /// What it is asked that is no message.
    pub(crate) queries: Option<Queries>,
    /// What it tells of its services where it speaks gRPC.
    pub(crate) health: Option<HealthService>,
    pub(crate) metrics: ReceiverMetrics,
}

/// The largest question over gRPC, with its framing.
const QUERY_BYTES_MAX: usize = 64 << 10;

/// A whole stack.
pub(crate) type Stack = BoxCloneSyncService<Request<Incoming>, Response<AnswerBody>, Infallible>;

/// Builds the stack of one listener.
pub(crate) fn stack(receiver: HttpReceiver, cors: Option<CorsLayer>) -> Stack {
    let receiver = Arc::new(receiver);
    let service = service_fn(move |request| {
        let receiver = Arc::clone(&receiver);
        async move { Ok(receiver.answer(request).await) }
    });
    BoxCloneSyncService::new(ServiceBuilder::new().layer(option_layer(cors)).service(service))
}

impl HttpReceiver {
    /// Finds the route of `request`, has it served, and puts the outcome into an answer.
    async fn answer(&self, request: Request<Incoming>) -> Response<AnswerBody> {
        let (head, body) = request.into_parts();
        let is_grpc = answer::is_grpc(&head.headers);
        let info = head.extensions.get::<ConnectionInfo>();
        if let Some(health) = &self.health
            && let Some(call) = HealthCall::of(&head).filter(|_| is_grpc)
        {
            return health.answer(call, info.map(|info| &info.watches), body).await;
        }
        let peer = info.and_then(|info| info.peer);
        let request_metrics = self.metrics.request(peer);
        if let Some(queries) = &self.queries
            && let Some(query) = queries.of(&head, is_grpc)
        {
            return self.tell(queries, query, &head, body, request_metrics).await;
        }
        let call = match self.routes.find(&head) {
            Ok(call) => call,
            Err(rejection) => {
                refuse_unread(&head, body, &rejection).await;
                request_metrics.refused(&rejection);
                return answer::unrouted(&head.headers, &rejection);
            }
        };
        let served = AssertUnwindSafe(self.serve(call, head, body)).catch_unwind().await;
        let outcome = served.unwrap_or_else(|_| {
            Err(Rejection::new(RejectReason::Internal, "the gateway failed on this request"))
        });
        let nothing_taken = |accepted: &Accepted| {
            let nothing = accepted.spans == 0 && accepted.rejects.total() > 0;
            nothing.then(|| call.style.nothing_taken(accepted)).flatten()
        };
        match outcome {
            Ok(accepted) => match nothing_taken(&accepted) {
                None => {
                    request_metrics.accepted(&accepted);
                    call.style.accepted(call.media(), &accepted)
                }
                Some(rejection) => {
                    request_metrics.nothing_taken(&accepted, &rejection);
                    call.style.refused(call.media(), &rejection)
                }
            },
            Err(rejection) => {
                request_metrics.refused(&rejection);
                call.style.refused(call.media(), &rejection)
            }
        }
    }

    /// Answers a question. It needs no token: clients of Jaeger have none to send.
    async fn tell(
        &self,
        queries: &Queries,
        query: Query,
        head: &Parts,
        body: Incoming,
        request_metrics: RequestMetrics,
    ) -> Response<AnswerBody> {
        let is_grpc = query == Query::Grpc;
        let service = match query {
            Query::Http(service) => service,
            Query::Grpc => self.service_of_call(head, body).await,
        };
        match service {
            Ok(service) => {
                request_metrics.accepted(&Accepted::default());
                answer::strategy(queries.source.strategies().answer(&service), is_grpc)
            }
            Err(rejection) => {
                request_metrics.refused(&rejection);
                answer::unrouted(&head.headers, &rejection)
            }
        }
    }

    /// The service that a question over gRPC is about.
    async fn service_of_call(&self, head: &Parts, mut body: Incoming) -> Result<String, Rejection> {
        let connection = head.extensions.get::<ConnectionInfo>().map(|info| &info.in_flight);
        let mut lease = self.admission.in_flight.take([connection, None], 0)?;
        let bounds = Bounds { cap: QUERY_BYTES_MAX, ..self.bounds(None) };
        let bytes = read(&mut body, bounds, &mut lease, grpc::body_bytes).await?;
        let (_, message) = grpc::message(Encoding::Identity, bytes)?;
        service_of_call(&message)
    }

    /// Bounds of a body of the `declared` length, which begins to come.
    fn bounds(&self, declared: Option<usize>) -> Bounds {
        Bounds {
            cap: self.wire_bytes_max(),
            declared,
            begin: Instant::now(),
            time: self.admission.request_timeout,
            rate: self.admission.body_rate_min,
        }
    }

    /// The steps between the head of a request and the log's acknowledgement.
    async fn serve(&self, call: Call, head: Parts, body: Incoming) -> Result<Accepted, Rejection> {
        let declared = declared(&head);
        let (quota, lease) = match self.admit(&head, declared) {
            Ok(admitted) => admitted,
            Err(rejection) => {
                refuse_unread(&head, body, &rejection).await;
                return Err(rejection);
            }
        };
        let served = self.serve_admitted(&call, (head, declared), body, (&quota, lease)).await;
        match &served {
            Ok(accepted) => quota.accepted(accepted),
            Err(rejection) => quota.refused(rejection),
        }
        served
    }

    /// The steps behind the admission.
    async fn serve_admitted(
        &self,
        call: &Call,
        (head, declared): (Parts, Option<usize>),
        body: Incoming,
        (quota, lease): (&TenantQuota, RequestLease),
    ) -> Result<Accepted, Rejection> {
        let (version, metadata) = (head.version, call.format.metadata_of(&head.headers));
        drop(head);
        let (body, lease) = self.receive(call, version, body, declared, lease).await?;
        quota.received(body.len(), declared.unwrap_or_default());
        let (encoding, bytes) = call.message(body)?;
        let message = Message { bytes, encoding, metadata, mark: quota.mark(), lease };
        self.intake.take(message, call.format).await
    }

    /// Rejects senders that may not send, or not now; leases bytes for the beginning of the body.
    fn admit(
        &self,
        head: &Parts,
        declared: Option<usize>,
    ) -> Result<(TenantQuota, RequestLease), Rejection> {
        let Admission { tenants, memory, in_flight, .. } = &self.admission;
        let quota = tenants.admit(&head.headers, declared.unwrap_or_default())?;
        let lease = memory.check().and_then(|()| {
            let most = self.wire_bytes_max();
            if declared.is_some_and(|declared| declared > most) {
                return Err(too_large(most));
            }
            let connection = head.extensions.get::<ConnectionInfo>().map(|info| &info.in_flight);
            in_flight.take([connection, quota.in_flight()], first_lease(declared))
        });
        if let Err(rejection) = &lease {
            quota.refused(rejection);
        }
        lease.map(|lease| (quota, lease))
    }

    /// Reads the body.
    async fn receive(
        &self,
        call: &Call,
        version: Version,
        mut body: Incoming,
        declared: Option<usize>,
        mut lease: RequestLease,
    ) -> Result<(Bytes, RequestLease), Rejection> {
        let coming = self.metrics.enter(Stage::Body);
        let bounds = self.bounds(declared);
        let bytes = match read(&mut body, bounds, &mut lease, |first| call.body_bytes(first)).await
        {
            Ok(bytes) => bytes,
            Err(rejection) => {
                drop(lease);
                refuse_coming(version, body, &rejection).await;
                coming.through();
                return Err(rejection);
            }
        };
        coming.through();
        lease.complete();
        self.metrics.received(bytes.len());
        Ok((bytes, lease))
    }

    /// The most bytes of a body on the wire: those of a message, and its framing.
    fn wire_bytes_max(&self) -> usize {
        self.intake.message_bytes_max.saturating_add(grpc::PREFIX_BYTES)
    }
}

/// How many bytes the body has, as far as the head says so.
fn declared(head: &Parts) -> Option<usize> {
    let declared = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    declared.and_then(|length| length.parse().ok())
}

/// Takes in some of a body that was not read, of a request that is refused for `rejection`. It may
/// still be coming.
async fn refuse_unread(head: &Parts, body: Incoming, rejection: &Rejection) {
    // To ask for the body is to tell a sender that waits for `100 Continue` to send it.
    if !head.headers.contains_key(EXPECT) {
        refuse_coming(head.version, body, rejection).await;
    }
}

/// Takes in some of a body that is refused while it comes. HTTP/2 tells the sender to stop; over
/// HTTP/1 the sender would be cut off before it reads the answer.
async fn refuse_coming(version: Version, body: Incoming, rejection: &Rejection) {
    let comes = !matches!(rejection.reason, RejectReason::SlowSender | RejectReason::Incomplete);
    if version < Version::HTTP_2 && comes {
        discard(body).await;
    }
}
