//! What a process does of the whole.

use std::fmt;

/// What a process does of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Takes spans, samples them and exports the kept ones.
    Standalone,
    /// Takes spans.
    Gateway,
    /// Samples the spans that gateways take, and exports the kept ones.
    Sampler,
}

impl Role {
    /// Whether it takes spans from senders.
    pub(crate) const fn takes_spans(self) -> bool {
        matches!(self, Self::Standalone | Self::Gateway)
    }

    /// Whether it decides about traces and exports the kept ones.
    pub(crate) const fn samples(self) -> bool {
        matches!(self, Self::Standalone | Self::Sampler)
    }

    /// The command that starts it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Standalone => "standalone",
            Self::Gateway => "gateway",
            Self::Sampler => "sampler",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
