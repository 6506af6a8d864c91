//! A Zipkin span, whatever format it came in.

use std::net::Ipv6Addr;

use super::ipv4_text::Ipv4Text;
use crate::otlp::message::Scalar;
use crate::utf8::{Text, str_of};

/// What a span was for. There is no word for internal work in Zipkin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    None,
    Client,
    Server,
    Producer,
    Consumer,
}

/// One side of a call. What is empty, 0 or `None` is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Endpoint<'a> {
    pub(super) service_name: Text<'a>,
    pub(super) ipv4: Option<Ipv4Text>,
    /// None that stands for one of version 4.
    pub(super) ipv6: Option<Ipv6Addr>,
    pub(super) port: u16,
}

impl Endpoint<'_> {
    /// Whether nothing is known of it.
    pub(super) fn is_unknown(&self) -> bool {
        let Self { service_name, ipv4, ipv6, port } = self;
        service_name.is_empty() && *port == 0 && ipv4.is_none() && ipv6.is_none()
    }
}

/// Something that happened during a span.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Annotation<'a> {
    /// Nanoseconds since 1970; 0 is not known.
    pub(super) time: u64,
    pub(super) value: Text<'a>,
}

/// What a tag says: text, but in Thrift.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TagValue<'a> {
    Text(Text<'a>),
    Bool(bool),
    Int(i64),
    Double(f64),
}

impl TagValue<'_> {
    /// The text, of one that is text.
    pub(super) fn text(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn scalar(&self) -> Scalar<'_> {
        match self {
            Self::Text(text) => Scalar::Text(str_of(text)),
            Self::Bool(value) => Scalar::Bool(*value),
            Self::Int(number) => Scalar::Int(*number),
            Self::Double(number) => Scalar::Double(*number),
        }
    }
}

/// A tag: its name, and what it says.
pub(super) type Tag<'a> = (Text<'a>, TagValue<'a>);

/// A span with valid ids. Its vectors are for the next one too.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Span<'a> {
    /// Not zero.
    pub(super) trace_id: [u8; 16],
    /// Not zero.
    pub(super) id: [u8; 8],
    /// Neither zero nor the span's own id.
    pub(super) parent_id: Option<[u8; 8]>,
    pub(super) name: Text<'a>,
    pub(super) kind: Kind,
    /// Nanoseconds since 1970; 0 is not known.
    pub(super) start: u64,
    /// Nanoseconds since 1970: `start` and the duration together.
    pub(super) end: u64,
    pub(super) debug: bool,
    /// The id is also that of the client's span.
    pub(super) shared: bool,
    pub(super) local: Endpoint<'a>,
    pub(super) remote: Endpoint<'a>,
    pub(super) annotations: Vec<Annotation<'a>>,
    /// Each name occurs once.
    pub(super) tags: Vec<Tag<'a>>,
}

impl Span<'_> {
    /// Forgets the span that it was.
    pub(super) fn clear(&mut self) {
        let Self { annotations, tags, .. } = self;
        annotations.clear();
        tags.clear();
        (self.trace_id, self.id, self.parent_id) = ([0; 16], [0; 8], None);
        (self.name, self.kind) = (Text::default(), Kind::None);
        (self.start, self.end) = (0, 0);
        (self.debug, self.shared) = (false, false);
        (self.local, self.remote) = (Endpoint::default(), Endpoint::default());
    }
}
