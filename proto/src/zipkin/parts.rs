//! What spans of Zipkin v1 have and those of v2 do not.

use std::rc::Rc;

use super::model::{Endpoint, TagValue};
use crate::utf8::Text;

/// What spans of v1 have instead of kinds, endpoints and tags.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts<'a> {
    pub(super) annotations: Vec<Moment<'a>>,
    pub(super) binary_annotations: Vec<BinaryAnnotation<'a>>,
}

impl Parts<'_> {
    /// Forgets those of the span before.
    pub(super) fn clear(&mut self) {
        self.annotations.clear();
        self.binary_annotations.clear();
    }

    /// Whether nothing is of v1.
    pub(super) const fn is_empty(&self) -> bool {
        self.annotations.is_empty() && self.binary_annotations.is_empty()
    }
}

/// An annotation with the endpoint that wrote it. Those without one are as in v2.
#[derive(Clone, Debug)]
pub(super) struct Moment<'a> {
    /// Nanoseconds since 1970; 0 is not known.
    pub(super) time: u64,
    pub(super) value: Text<'a>,
    pub(super) endpoint: Rc<Endpoint<'a>>,
}

/// What v2 has as a tag or as an address.
#[derive(Clone, Debug)]
pub(super) struct BinaryAnnotation<'a> {
    pub(super) key: Text<'a>,
    /// `None` where the endpoint is the value: an address.
    pub(super) value: Option<TagValue<'a>>,
    pub(super) endpoint: Option<Rc<Endpoint<'a>>>,
}

/// The keys under which an endpoint is an address of a client, a server and a broker.
pub(super) const ADDRESS_KEYS: [&[u8]; 3] = [b"ca", b"sa", b"ma"];
