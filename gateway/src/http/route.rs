//! Tables of routes: which requests a listener takes, and in which formats.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, Method, header, request::Parts};

use crate::{
    format::Format,
    http::{
        answer::AnswerStyle,
        grpc,
        media::{Media, content_type},
    },
    inflate::Encoding,
    reject::{RejectReason, Rejection},
};

/// What is served at a listener. Paths are tried in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct RouteTable {
    pub(crate) http: Vec<HttpRoute>,
    pub(crate) grpc: Vec<GrpcRoute>,
    /// What a sender is told whose request is for none of them.
    pub(crate) elsewhere: Cow<'static, str>,
}

/// Messages that are posted over HTTP.
#[derive(Clone, Debug)]
pub(crate) struct HttpRoute {
    /// One that begins with `*` stands for every path that ends with the rest.
    pub(crate) paths: Vec<Cow<'static, str>>,
    /// The format of each media type that is taken.
    pub(crate) formats: &'static [(Media, &'static Format)],
    /// What a content type that is absent or not known stands for; without it, it is refused.
    pub(crate) unnamed: Option<Media>,
    pub(crate) style: AnswerStyle,
    /// What a sender is told that does not post.
    pub(crate) only_post: &'static str,
    /// What a sender is told that posts another media type.
    pub(crate) only_media: &'static str,
}

/// A unary method of gRPC that takes messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GrpcRoute {
    pub(crate) path: &'static str,
    pub(crate) format: &'static Format,
    pub(crate) style: AnswerStyle,
}

/// What the head of a request says: what its body is, and how it is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) format: &'static Format,
    pub(crate) style: AnswerStyle,
    media: Media,
    /// How the body is compressed; over gRPC, the message in it.
    encoding: Encoding,
}

impl RouteTable {
    /// Finds the route for a request with this `head`.
    ///
    /// # Errors
    /// A path, method, content type or encoding that is not taken.
    pub(crate) fn find(&self, head: &Parts) -> Result<Call, Rejection> {
        let kind = content_type(&head.headers);
        let is_grpc = kind == "application/grpc" || kind == "application/grpc+proto";
        if self.http.is_empty() || (is_grpc && !self.grpc.is_empty()) {
            return self.find_grpc(head, is_grpc);
        }
        match self.http.iter().find(|route| route.takes(head.uri.path())) {
            Some(route) => route.call(head, kind),
            None => Err(Rejection::new(RejectReason::Path, self.elsewhere.clone())),
        }
    }

    fn find_grpc(&self, head: &Parts, is_grpc: bool) -> Result<Call, Rejection> {
        if head.method != Method::POST {
            let message = "gRPC calls are POST requests over HTTP/2";
            return Err(Rejection::new(RejectReason::Method, message));
        }
        if !is_grpc {
            return Err(Rejection::new(RejectReason::ContentType, self.elsewhere.clone()));
        }
        let Some(route) = self.grpc.iter().find(|route| route.path == head.uri.path()) else {
            let served: Vec<&str> = self.grpc.iter().map(|route| route.path).collect();
            let message = format!("only `{}` is served here", served.join("`, `"));
            return Err(Rejection::new(RejectReason::Path, message));
        };
        let encoding = encoding(&head.headers, "grpc-encoding")?;
        let GrpcRoute { format, style, .. } = *route;
        Ok(Call { format, style, media: Media::Protobuf, encoding })
    }

    /// All formats that are taken.
    pub(crate) fn formats(&self) -> impl Iterator<Item = &'static Format> {
        let http = self.http.iter().flat_map(|route| route.formats).map(|(_, format)| *format);
        http.chain(self.grpc.iter().map(|route| route.format))
    }

    /// What may be negotiated over TLS.
    pub(crate) fn alpn(&self) -> &'static [&'static [u8]] {
        if self.http.is_empty() { &[b"h2"] } else { &[b"h2", b"http/1.1"] }
    }
}

impl HttpRoute {
    fn takes(&self, path: &str) -> bool {
        self.paths.iter().any(|taken| match taken.strip_prefix('*') {
            Some(end) => path.ends_with(end),
            None => taken == path,
        })
    }

    fn call(&self, head: &Parts, content_type: &str) -> Result<Call, Rejection> {
        if head.method != Method::POST {
            return Err(Rejection::new(RejectReason::Method, self.only_post));
        }
        let media = Media::of(content_type).or(self.unnamed);
        let found = self.formats.iter().find(|(taken, _)| Some(*taken) == media);
        let Some((media, format)) = found else {
            return Err(Rejection::new(RejectReason::ContentType, self.only_media));
        };
        let encoding = encoding(&head.headers, header::CONTENT_ENCODING.as_str())?;
        Ok(Call { format, style: self.style, media: *media, encoding })
    }
}

impl Call {
    /// The media type of the request, and of the answer where the style has several.
    pub(crate) const fn media(&self) -> Media {
        self.media
    }

    /// How many bytes the body has that starts with `first`, where that tells.
    pub(crate) fn body_bytes(&self, first: &[u8]) -> Option<usize> {
        if self.style.is_grpc() { grpc::body_bytes(first) } else { None }
    }

    /// The message in `body`, and how it is compressed.
    ///
    /// # Errors
    /// A body that does not hold one message.
    pub(crate) fn message(&self, body: Bytes) -> Result<(Encoding, Bytes), Rejection> {
        if self.style.is_grpc() {
            grpc::message(self.encoding, body)
        } else {
            Ok((self.encoding, body))
        }
    }
}

/// The encoding that the header `name` states; none is identity.
///
/// # Errors
/// An encoding that is not known, or several.
fn encoding(headers: &HeaderMap, name: &str) -> Result<Encoding, Rejection> {
    let mut values = headers.get_all(name).iter();
    let first = values.next().map_or(&b""[..], |value| value.as_bytes());
    match (Encoding::parse(first), values.next()) {
        (Some(encoding), None) => Ok(encoding),
        _ => {
            let shown = String::from_utf8_lossy(first.get(..32).unwrap_or(first)).into_owned();
            let message = format!(
                "cannot undo the encoding `{shown}`: send identity, gzip, zstd or deflate, once"
            );
            Err(Rejection::new(RejectReason::Encoding, message))
        }
    }
}
