//! The arguments of a call, by what a converter takes.

use std::borrow::Cow;

use regex::bytes::Regex;

use crate::{
    convert::{
        coerce,
        converter::{Arguments, Prepared},
    },
    error::Fault,
    pattern,
    value::{Operand, Time, Value},
};

impl<'x> Arguments<'x, '_> {
    /// The value of an argument; nil when it was left out.
    pub(crate) fn value(self, index: usize) -> Value<'x> {
        self.values.get(index).map_or(Value::Nil, Operand::view)
    }

    /// The fault of an argument that is something else.
    pub(crate) fn must_be(self, index: usize, wants: &'static str) -> Fault {
        let parameter = self.parameters.get(index).map_or("", |parameter| parameter.name);
        Fault::Argument { parameter, wants, got: self.value(index).kind() }
    }

    /// The fault of an argument that is of the right kind, and of no use.
    pub(crate) fn unusable(self, index: usize, why: &'static str) -> Fault {
        let parameter = self.parameters.get(index).map_or("", |parameter| parameter.name);
        Fault::Unusable { parameter, why }
    }

    /// A text.
    pub(crate) fn text(self, index: usize) -> Result<&'x [u8], Fault> {
        match self.value(index) {
            Value::Str(text) => Ok(text),
            _ => Err(self.must_be(index, "a text")),
        }
    }

    /// An integer.
    pub(crate) fn int(self, index: usize) -> Result<i64, Fault> {
        match self.value(index) {
            Value::Int(number) => Ok(number),
            _ => Err(self.must_be(index, "an integer")),
        }
    }

    /// A time.
    pub(crate) fn time(self, index: usize) -> Result<Time, Fault> {
        match self.value(index) {
            Value::Time(time) => Ok(time),
            _ => Err(self.must_be(index, "a time")),
        }
    }

    /// A duration in nanoseconds.
    pub(crate) fn duration(self, index: usize) -> Result<i64, Fault> {
        match self.value(index) {
            Value::Duration(nanos) => Ok(nanos),
            _ => Err(self.must_be(index, "a duration")),
        }
    }

    /// The text of any value that has one; `None` of nil.
    pub(crate) fn text_like(self, index: usize) -> Result<Option<Cow<'x, [u8]>>, Fault> {
        coerce::text(self.value(index)).map_err(|()| self.unusable(index, "has no text form"))
    }

    /// A pattern: the one made ready, or the one that a text writes.
    pub(crate) fn pattern(self, index: usize) -> Result<Cow<'x, Regex>, Fault> {
        if let Prepared::Pattern(pattern) = self.prepared {
            return Ok(Cow::Borrowed(pattern));
        }
        let written = String::from_utf8_lossy(self.text(index)?);
        match pattern::compile_small(&written) {
            Ok(pattern) => Ok(Cow::Owned(pattern)),
            Err(_) => {
                Err(self.unusable(index, "is no regular expression, or takes too much memory"))
            }
        }
    }

    /// The bytes of any value that has some; none of nil.
    pub(crate) fn bytes_like(self, index: usize) -> Result<Cow<'x, [u8]>, Fault> {
        coerce::bytes(self.value(index)).ok_or_else(|| self.must_be(index, "bytes or a text"))
    }
}
