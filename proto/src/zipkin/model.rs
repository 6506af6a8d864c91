//! A Zipkin span, whatever format it came in.

use std::{
    borrow::Cow,
    net::{Ipv4Addr, Ipv6Addr},
};

use crate::otlp::message::Scalar;

/// What a span was for. There is no word for internal work in Zipkin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    #[default]
    None,
    Client,
    Server,
    Producer,
    Consumer,
}

/// One side of a call. What is empty, 0 or `None` is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Endpoint<'a> {
    pub(crate) service_name: Cow<'a, str>,
    pub(crate) ipv4: Option<Ipv4Addr>,
    /// None that stands for one of version 4.
    pub(crate) ipv6: Option<Ipv6Addr>,
    pub(crate) port: u16,
}

/// Something that happened during a span.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Annotation<'a> {
    /// Nanoseconds since 1970; 0 is not known.
    pub(crate) time: u64,
    pub(crate) value: Cow<'a, str>,
}

/// What a tag says: text, but in Thrift.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TagValue<'a> {
    Text(Cow<'a, str>),
    Bool(bool),
    Int(i64),
    Double(f64),
}

impl TagValue<'_> {
    /// The text, of one that is text.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn scalar(&self) -> Scalar<'_> {
        match self {
            Self::Text(text) => Scalar::Text(text),
            Self::Bool(value) => Scalar::Bool(*value),
            Self::Int(number) => Scalar::Int(*number),
            Self::Double(number) => Scalar::Double(*number),
        }
    }
}

/// A span with valid ids.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Span<'a> {
    /// Not zero.
    pub(crate) trace_id: [u8; 16],
    /// Not zero.
    pub(crate) id: [u8; 8],
    /// Neither zero nor the span's own id.
    pub(crate) parent_id: Option<[u8; 8]>,
    pub(crate) name: Cow<'a, str>,
    pub(crate) kind: Kind,
    /// Nanoseconds since 1970; 0 is not known.
    pub(crate) start: u64,
    /// Nanoseconds since 1970: `start` and the duration together.
    pub(crate) end: u64,
    pub(crate) debug: bool,
    /// The id is also that of the client's span.
    pub(crate) shared: bool,
    pub(crate) local: Endpoint<'a>,
    pub(crate) remote: Endpoint<'a>,
    pub(crate) annotations: Vec<Annotation<'a>>,
    /// Each name occurs once.
    pub(crate) tags: Vec<(Cow<'a, str>, TagValue<'a>)>,
}
