//! The bodies of answers.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};

/// A body, with trailers where the protocol has them.
#[derive(Default)]
pub(crate) struct AnswerBody {
    data: Option<Bytes>,
    later: Option<BoxFuture<'static, (Bytes, HeaderMap)>>,
    trailers: Option<HeaderMap>,
}

impl AnswerBody {
    /// A body of `data`.
    pub(crate) fn of(data: Bytes) -> Self {
        Self { data: Some(data).filter(|data| !data.is_empty()), ..Self::default() }
    }

    /// A body of `data` followed by `trailers`.
    pub(crate) fn with_trailers(data: Bytes, trailers: HeaderMap) -> Self {
        Self { data: Some(data), trailers: Some(trailers), ..Self::default() }
    }

    /// A body of `data`, followed by the data and the trailers that `later` gives.
    pub(crate) fn stream(
        data: Bytes,
        later: impl Future<Output = (Bytes, HeaderMap)> + Send + 'static,
    ) -> Self {
        Self { data: Some(data), later: Some(Box::pin(later)), trailers: None }
    }

    /// Keeps `guard` for as long as something is still to be told; a body that is whole drops it.
    pub(crate) fn keep(&mut self, guard: impl Send + 'static) {
        if let Some(later) = self.later.take() {
            let kept = async move {
                let answer = later.await;
                drop(guard);
                answer
            };
            self.later = Some(Box::pin(kept));
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(data) = self.data.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if let Some(later) = &mut self.later {
            let (data, trailers) = ready!(later.as_mut().poll(context));
            self.later = None;
            self.trailers = Some(trailers);
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.later.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let data = self.data.as_ref().map_or(0, |data| data.len() as u64);
        match self.later {
            None => SizeHint::with_exact(data),
            Some(_) => SizeHint::default(),
        }
    }
}

/// An answer of some content type.
pub(crate) fn typed(
    status: StatusCode,
    content_type: HeaderValue,
    body: Bytes,
) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::of(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}
