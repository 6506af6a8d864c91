//! Media types: how the content of a request is written.

use http::{HeaderMap, HeaderValue, header};

/// How content is written, as far as routes tell it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    /// Protobuf.
    Protobuf,
    /// JSON.
    Json,
    /// Thrift, in its binary protocol.
    Thrift,
}

/// The registered name of Thrift's binary protocol, which hardly anybody writes.
const THRIFT_REGISTERED: &str = "application/vnd.apache.thrift.binary";

impl Media {
    const ALL: [Self; 3] = [Self::Protobuf, Self::Json, Self::Thrift];

    /// The media type that a content type without parameters names; `None` for all others.
    pub(crate) fn of(content_type: &str) -> Option<Self> {
        let is = |name| content_type.eq_ignore_ascii_case(name);
        if is(THRIFT_REGISTERED) {
            return Some(Self::Thrift);
        }
        Self::ALL.into_iter().find(|media| is(media.name()))
    }

    /// The content type. Bare, without parameters: some exporters compare the whole value.
    pub(crate) const fn header(self) -> HeaderValue {
        HeaderValue::from_static(self.name())
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
            Self::Thrift => "application/x-thrift",
        }
    }
}

/// The content type without its parameters.
pub(crate) fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.and_then(|value| value.split(';').next()).unwrap_or_default().trim()
}
