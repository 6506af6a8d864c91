//! What a converter is, and what it is called with.

use std::net::IpAddr;

use regex::bytes::Regex;

use crate::{
    convert::format::Format,
    error::Fault,
    value::{Operand, Tree},
};

/// The most parameters that a converter has.
pub(crate) const ARGUMENTS_MAX: usize = 4;

/// A function of the language.
#[derive(Debug)]
pub(crate) struct Converter {
    pub(crate) name: &'static str,
    pub(crate) parameters: &'static [Parameter],
    pub(crate) apply: for<'x, 'a> fn(Arguments<'x, 'a>) -> Result<Operand<'a>, Fault>,
    /// Makes ready what depends on the constants among the arguments only, or tells what is wrong
    /// with them.
    pub(crate) prepare: fn(&[Option<Tree>]) -> Result<Prepared, String>,
    /// Whether the same arguments always give the same result.
    pub(crate) pure: bool,
    /// Whether constants that it fails on are refused when the condition is parsed.
    pub(crate) strict: bool,
    /// What to know about a condition that calls it.
    pub(crate) warning: Option<&'static str>,
}

impl Converter {
    pub(super) const fn new(
        name: &'static str,
        parameters: &'static [Parameter],
        apply: for<'x, 'a> fn(Arguments<'x, 'a>) -> Result<Operand<'a>, Fault>,
    ) -> Self {
        let prepare = |_: &[Option<Tree>]| Ok(Prepared::Nothing);
        Self { name, parameters, apply, prepare, pure: true, strict: false, warning: None }
    }

    pub(super) const fn preparing(
        mut self,
        prepare: fn(&[Option<Tree>]) -> Result<Prepared, String>,
    ) -> Self {
        self.prepare = prepare;
        self
    }

    pub(super) const fn impure(mut self, warning: &'static str) -> Self {
        self.pure = false;
        self.warning = Some(warning);
        self
    }

    pub(super) const fn strict(mut self) -> Self {
        self.strict = true;
        self
    }
}

/// A parameter of a converter.
#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) accepts: Accepts,
    pub(crate) required: bool,
}

impl Parameter {
    pub(super) const fn new(name: &'static str, accepts: Accepts) -> Self {
        Self { name, accepts, required: true }
    }

    pub(super) const fn optional(name: &'static str, accepts: Accepts) -> Self {
        Self { name, accepts, required: false }
    }
}

/// What is accepted as an argument, as far as the text of a condition tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accepts {
    Any,
    Text,
    Int,
    Double,
    Bool,
    Map,
    List,
    Time,
    Duration,
    /// A text that stands in the condition.
    TextLiteral,
    /// A boolean that stands in the condition.
    BoolLiteral,
    /// A list that stands in the condition.
    ListLiteral,
}

/// What a call has made ready.
#[derive(Clone, Debug)]
pub(crate) enum Prepared {
    Nothing,
    Pattern(Regex),
    Networks(Box<[Network]>),
    Format(Format),
}

/// A range of addresses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Network {
    pub(super) address: IpAddr,
    /// How many of its first bits all addresses share.
    pub(super) length: u8,
}

/// The arguments of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arguments<'x, 'a> {
    pub(crate) values: &'x [Operand<'a>],
    pub(crate) parameters: &'static [Parameter],
    pub(crate) prepared: &'x Prepared,
}
