//! The stack in front of every receiver, outermost first. This file is the whole of it.
//!
//! Connections and heads have their limits before a request gets here: see `http`.
//!
//! | layer | takes → gives | why there |
//! |---|---|---|
//! | `cors` | a request | a browser's preflight is answered before anything else looks at it, and every answer carries the headers without which a page may not read it |
//! | `Speak` | head → form; outcome → answer | outside of all that can refuse or panic, so that each refusal is counted once and told in the words of the protocol |
//! | `authenticate` | head → quota | whoever may not send costs us no more than this, and whoever has sent enough neither |
//! | `memory` | head | costs nothing, and refuses before anything of the body is read |
//! | `lease` | head → held bytes | a body is read only by who holds bytes for it |
//! | `receive` | held bytes → body | in time and within the cap of the receiver |
//! | `unpack` | body → message | inflated behind the cap on the wire, with a cap of its own |
//! | `serve` | message → outcome | translate, split, append, wait for the log |

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    panic::AssertUnwindSafe,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use http::{
    Request, Response, Version,
    header::{CONTENT_LENGTH, EXPECT},
    request::Parts,
};
use hyper::body::Incoming;
use tokio::time::Instant;
use tower::{
    Layer, Service, ServiceBuilder, ServiceExt,
    layer::layer_fn,
    service_fn,
    util::{BoxCloneSyncService, option_layer},
};
use tower_http::cors::CorsLayer;
use wholetrace_runtime::budget::ByteBudget;
use wholetrace_spanlog::routing::Routing;

use crate::{
    admission::{
        lease::{InFlightBudget, LeaseRoom, RequestLease},
        memory::MemoryGate,
        tenants::{TenantQuota, Tenants},
    },
    answer::{Accepted, AnswerBody, grpc_status},
    http::body::{Bounds, discard, first_lease, read, too_large},
    inflate::inflate,
    ingest::framer::Ingest,
    metrics::{ReceiverMetrics, Stage},
    protocol::{Content, Form, Protocol, content_type},
    reject::{RejectReason, Rejection},
    split::{Split, split},
};

/// What all stacks of a gateway share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) routing: Routing,
    pub(crate) ingest: Ingest,
    pub(crate) tenants: Tenants,
    pub(crate) in_flight: InFlightBudget,
    pub(crate) memory: MemoryGate,
    pub(crate) span_bytes_max: usize,
    pub(crate) request_timeout: Duration,
    /// Bytes of a body that must come in a second; 0 for any number.
    pub(crate) body_rate_min: usize,
}

/// What a request has of its connection: an extension of the request.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionInfo {
    /// What the connection may hold of the bytes in flight.
    pub(crate) in_flight: ByteBudget,
    /// Who is at its other end.
    pub(crate) peer: Option<SocketAddr>,
}

/// What a stack is made for.
pub(crate) struct Receiver<P> {
    pub(crate) protocol: P,
    pub(crate) cors: Option<CorsLayer>,
    /// Largest message, inflated; also the most bytes of one on the wire, its framing aside.
    pub(crate) message_bytes_max: usize,
    pub(crate) metrics: ReceiverMetrics,
}

/// A whole stack.
pub(crate) type Stack = BoxCloneSyncService<Request<Incoming>, Response<AnswerBody>, Infallible>;

/// What becomes of a request inside of the stack.
type Outcome = Result<Accepted, Rejection>;

/// Bytes that a protocol may put around a message.
const FRAMING_BYTES: usize = crate::receiver::otlp_grpc::PREFIX_BYTES;

/// Builds the stack of one receiver.
pub(crate) fn stack<P: Protocol>(shared: &Shared, receiver: Receiver<P>) -> Stack {
    let Receiver { protocol, cors, message_bytes_max, metrics } = receiver;
    let protocol = Arc::new(protocol);
    let wire_bytes_max = message_bytes_max.saturating_add(FRAMING_BYTES);

    let (tenants, gate) = (shared.tenants.clone(), shared.memory.clone());
    let in_flight = shared.in_flight.clone();
    let (request_timeout, body_rate_min) = (shared.request_timeout, shared.body_rate_min);
    let (reader, unpacker) = (Arc::clone(&protocol), Arc::clone(&protocol));
    let (server_protocol, server) = (Arc::clone(&protocol), shared.clone());
    let server_metrics = metrics.clone();

    let service = ServiceBuilder::new()
        .layer(option_layer(cors))
        .layer(layer_fn(|inner| Speak {
            protocol: Arc::clone(&protocol),
            metrics: metrics.clone(),
            inner,
        }))
        .layer(step(move |request| authenticate(tenants.clone(), request)))
        .layer(step(move |request| memory(gate.clone(), request)))
        .layer(step(move |request| lease(in_flight.clone(), wire_bytes_max, request)))
        .layer(step({
            let metrics = metrics.clone();
            move |request| {
                let bounds = Bounds {
                    cap: wire_bytes_max,
                    declared: None,
                    begin: Instant::now(),
                    time: request_timeout,
                    rate: body_rate_min,
                };
                receive(Arc::clone(&reader), metrics.clone(), bounds, request)
            }
        }))
        .layer(step({
            let metrics = metrics.clone();
            move |request| {
                unpack(Arc::clone(&unpacker), metrics.clone(), message_bytes_max, request)
            }
        }))
        .service(service_fn(move |request| {
            serve(Arc::clone(&server_protocol), server.clone(), server_metrics.clone(), request)
        }));
    BoxCloneSyncService::new(service)
}

/// A request whose head was understood.
struct Unread {
    head: Parts,
    form: Form,
    body: Incoming,
    quota: TenantQuota,
}

/// A request that holds bytes for its body.
struct Leased {
    version: Version,
    form: Form,
    body: Incoming,
    quota: TenantQuota,
    declared: Option<usize>,
    lease: RequestLease,
}

/// A request whose body is here: all of it, or the message that was in it.
struct Received {
    form: Form,
    bytes: Bytes,
    lease: RequestLease,
}

/// Speaks the protocol: understands the head, and puts the outcome into an answer.
struct Speak<P, S> {
    protocol: Arc<P>,
    metrics: ReceiverMetrics,
    inner: S,
}

impl<P, S: Clone> Clone for Speak<P, S> {
    fn clone(&self) -> Self {
        let Self { protocol, metrics, inner } = self;
        Self { protocol: Arc::clone(protocol), metrics: metrics.clone(), inner: inner.clone() }
    }
}

impl<P, S> Service<Request<Incoming>> for Speak<P, S>
where
    P: Protocol,
    S: Service<Unread, Response = Accepted, Error = Rejection> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<AnswerBody>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let Self { protocol, metrics, inner } = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let peer = head.extensions.get::<ConnectionInfo>().and_then(|its| its.peer);
            let request_metrics = metrics.request(peer);
            let form = match protocol.form(&head) {
                Ok(form) => form,
                Err(rejection) => {
                    let rejection = refuse_unread(&head, body, rejection).await;
                    request_metrics.refused(&rejection);
                    // At the port of another protocol too, who speaks gRPC understands only that.
                    return Ok(if content_type(&head.headers).starts_with("application/grpc") {
                        grpc_status(&rejection).into_http()
                    } else {
                        protocol.refused(None, &rejection)
                    });
                }
            };
            let served = inner.oneshot(Unread { head, form, body, quota: TenantQuota::default() });
            let outcome = AssertUnwindSafe(served).catch_unwind().await.unwrap_or_else(|_| {
                Err(Rejection::new(RejectReason::Internal, "the gateway failed on this request"))
            });
            Ok(match outcome {
                Ok(accepted) => {
                    let nothing = accepted.spans == 0 && accepted.rejects.total() > 0;
                    match nothing.then(|| protocol.nothing_taken(&accepted)).flatten() {
                        None => {
                            request_metrics.accepted(&accepted);
                            protocol.accepted(form, &accepted)
                        }
                        Some(rejection) => {
                            request_metrics.nothing_taken(&accepted, &rejection);
                            protocol.refused(Some(form), &rejection)
                        }
                    }
                }
                Err(rejection) => {
                    request_metrics.refused(&rejection);
                    protocol.refused(Some(form), &rejection)
                }
            })
        })
    }
}

/// Refuses who may not send, or not more for now.
async fn authenticate(tenants: Tenants, request: Unread) -> Result<Unread, Rejection> {
    match tenants.admit(&request.head.headers, declared(&request.head).unwrap_or_default()) {
        Ok(quota) => Ok(Unread { quota, ..request }),
        Err(rejection) => Err(refuse_unread(&request.head, request.body, rejection).await),
    }
}

/// Refuses while the process uses more memory than it may.
async fn memory(gate: MemoryGate, request: Unread) -> Result<Unread, Rejection> {
    match gate.check() {
        Ok(()) => Ok(request),
        Err(rejection) => Err(refuse_unread(&request.head, request.body, rejection).await),
    }
}

/// Holds bytes for the body, as far as the head says how many.
async fn lease(
    in_flight: InFlightBudget,
    most: usize,
    request: Unread,
) -> Result<Leased, Rejection> {
    let Unread { head, form, body, quota } = request;
    let declared = declared(&head);
    let lease = if declared.is_some_and(|declared| declared > most) {
        Err(too_large(most))
    } else {
        let connection = head.extensions.get::<ConnectionInfo>().map(|its| &its.in_flight);
        in_flight.take([connection, quota.in_flight()], first_lease(declared))
    };
    match lease {
        Ok(lease) => Ok(Leased { version: head.version, form, body, quota, declared, lease }),
        Err(rejection) => Err(refuse_unread(&head, body, rejection).await),
    }
}

/// How many bytes the body has, as far as the head says so.
fn declared(head: &Parts) -> Option<usize> {
    let declared = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    declared.and_then(|length| length.parse().ok())
}

/// Reads the body.
async fn receive<P: Protocol>(
    protocol: Arc<P>,
    metrics: ReceiverMetrics,
    bounds: Bounds,
    request: Leased,
) -> Result<Received, Rejection> {
    let Leased { version, form, mut body, quota, declared, mut lease } = request;
    let coming = metrics.enter(Stage::Body);
    let bounds = Bounds { declared, ..bounds };
    let read = read(&mut body, bounds, &mut lease, |first| protocol.expect(first)).await;
    let bytes = match read {
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
    metrics.received(bytes.len());
    quota.charge(bytes.len().saturating_sub(declared.unwrap_or_default()));
    Ok(Received { form, bytes, lease })
}

/// Takes the message out of the body and inflates it.
async fn unpack<P: Protocol>(
    protocol: Arc<P>,
    metrics: ReceiverMetrics,
    most: usize,
    request: Received,
) -> Result<Received, Rejection> {
    let Received { form, bytes, lease } = request;
    let (encoding, message) = protocol.message(form, bytes)?;
    let working = metrics.enter(Stage::Message);
    let inflated = inflate(encoding, message, lease, most).await;
    working.through();
    let (bytes, lease) = inflated?;
    Ok(Received { form, bytes, lease })
}

/// Translates and splits the message, and waits until the log has its spans.
async fn serve<P: Protocol>(
    protocol: Arc<P>,
    shared: Shared,
    metrics: ReceiverMetrics,
    request: Received,
) -> Outcome {
    let Shared { ingest, .. } = shared.clone();
    let Prepared { split, accepted, lease } = if request.is_long_work() {
        let working = metrics.enter(Stage::Message);
        let prepared =
            tokio::task::spawn_blocking(move || prepare(&*protocol, &shared, request)).await;
        working.through();
        prepared.map_err(|error| Rejection::new(RejectReason::Internal, error.to_string()))??
    } else {
        prepare(&*protocol, &shared, request)?
    };
    // Nothing to wait for; an empty request is a good one.
    if accepted.spans > 0 {
        let appending = metrics.enter(Stage::Log);
        let appended = ingest.append(split, lease).await;
        appending.through();
        appended?;
    }
    Ok(accepted)
}

impl Received {
    /// Whether preparing it takes milliseconds, which a thread that serves sockets has not.
    fn is_long_work(&self) -> bool {
        let most = match self.form.content {
            Content::Protobuf => 4 << 20,
            Content::Json => 256 << 10,
        };
        self.bytes.len() > most
    }
}

/// A request that can be written to the log.
struct Prepared {
    split: Split,
    /// What becomes of it once it is.
    accepted: Accepted,
    lease: RequestLease,
}

/// The message of `request`, split by partition, and what was refused of it.
fn prepare<P: Protocol>(
    protocol: &P,
    shared: &Shared,
    request: Received,
) -> Result<Prepared, Rejection> {
    let Received { form, bytes, mut lease } = request;
    lease.grow_to(bytes.len())?;
    let mut room = LeaseRoom::beside(bytes.len(), &mut lease);
    let translated = protocol.translate(form, bytes, &mut room);
    let translated = room.refused().map_or(translated, Err)?;
    let body_bytes = translated.otlp.len();
    let split = split(translated.otlp, &shared.routing, shared.span_bytes_max)?;
    let mut rejects = *split.rejects();
    rejects.merge(&translated.rejects);
    // Until the frames are made they stand beside the body.
    lease.settle_at(body_bytes + split.own_bytes() + split.frame_bytes())?;
    // What a translator says of a span is in words of the format that the sender knows.
    let first = translated.first.or_else(|| split.first_reject().map(str::to_owned));
    let accepted = Accepted { spans: split.spans(), rejects, first };
    Ok(Prepared { split, accepted, lease })
}

/// Refuses a request whose body was not read, and may still be coming.
async fn refuse_unread(head: &Parts, body: Incoming, rejection: Rejection) -> Rejection {
    // To ask for the body is to tell a sender that waits for `100 Continue` to send it.
    if !head.headers.contains_key(EXPECT) {
        refuse_coming(head.version, body, &rejection).await;
    }
    rejection
}

/// Takes in some of a body that is refused while it comes. HTTP/2 tells the sender to stop; over
/// HTTP/1 the sender would be cut off before it reads the answer.
async fn refuse_coming(version: Version, body: Incoming, rejection: &Rejection) {
    let comes = !matches!(rejection.reason, RejectReason::SlowSender | RejectReason::Incomplete);
    if version < Version::HTTP_2 && comes {
        discard(body).await;
    }
}

/// A layer that is an async function: from what comes in to what the inner service takes.
#[derive(Clone)]
struct StepLayer<F>(F);

const fn step<F>(run: F) -> StepLayer<F> {
    StepLayer(run)
}

impl<F: Clone, S> Layer<S> for StepLayer<F> {
    type Service = Step<F, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Step { run: self.0.clone(), inner }
    }
}

#[derive(Clone)]
struct Step<F, S> {
    run: F,
    inner: S,
}

impl<F, S, In, Out, Ran> Service<In> for Step<F, S>
where
    F: Fn(In) -> Ran,
    Ran: Future<Output = Result<Out, Rejection>> + Send + 'static,
    Out: Send + 'static,
    S: Service<Out, Response = Accepted, Error = Rejection> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Accepted;
    type Error = Rejection;
    type Future = BoxFuture<'static, Outcome>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, input: In) -> Self::Future {
        let (ran, inner) = ((self.run)(input), self.inner.clone());
        Box::pin(async move { inner.oneshot(ran.await?).await })
    }
}
