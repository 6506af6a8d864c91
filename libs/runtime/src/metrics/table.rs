//! How a metric is declared.

/// A metric as its crate declares it.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// `wholetrace_<area>_<noun>_<unit>[_total]`.
    pub name: &'static str,
    /// How it moves.
    pub kind: Kind,
    /// What it counts in.
    pub unit: Unit,
    /// What it says, in a sentence or two, and what a person should do about it.
    pub help: &'static str,
    /// Its labels. All values come from closed or capped sets.
    pub labels: &'static [Label],
    /// Upper bounds of a histogram's buckets, ascending.
    pub buckets: &'static [f64],
}

/// How a metric moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only up, from 0 at the start of the process.
    Counter,
    /// Up and down.
    Gauge,
    /// Many values, counted in buckets.
    Histogram,
}

/// What a metric counts in: base units only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things, as the name says.
    None,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
    /// A share from 0 to 1.
    Ratio,
}

/// A label of a metric.
#[derive(Clone, Copy, Debug)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// The values it can have.
    pub values: Values,
}

/// The values of a label.
#[derive(Clone, Copy, Debug)]
pub enum Values {
    /// These.
    Closed(&'static [&'static str]),
    /// As many as the configuration names or a cap lets through; the text says what they are.
    Capped(&'static str),
}

/// Buckets for durations from a tenth of a millisecond to a minute.
pub const SECONDS: &[f64] = &[
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 30.0, 60.0,
];

/// Buckets for sizes from 256 bytes to 64 MiB.
pub const SIZES: &[f64] = &[
    256.0,
    1024.0,
    4096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

impl Metric {
    /// A counter.
    #[must_use]
    pub const fn counter(name: &'static str, unit: Unit, help: &'static str) -> Self {
        Self { name, kind: Kind::Counter, unit, help, labels: &[], buckets: &[] }
    }

    /// A gauge.
    #[must_use]
    pub const fn gauge(name: &'static str, unit: Unit, help: &'static str) -> Self {
        Self { name, kind: Kind::Gauge, unit, help, labels: &[], buckets: &[] }
    }

    /// A histogram with these buckets.
    #[must_use]
    pub const fn histogram(
        name: &'static str,
        unit: Unit,
        help: &'static str,
        buckets: &'static [f64],
    ) -> Self {
        Self { name, kind: Kind::Histogram, unit, help, labels: &[], buckets }
    }

    /// The same with these labels.
    #[must_use]
    pub const fn labels(mut self, labels: &'static [Label]) -> Self {
        self.labels = labels;
        self
    }
}

impl Label {
    /// A label whose values are all known.
    #[must_use]
    pub const fn closed(name: &'static str, values: &'static [&'static str]) -> Self {
        Self { name, values: Values::Closed(values) }
    }

    /// A label with a bounded number of values; `what` says what they are.
    #[must_use]
    pub const fn capped(name: &'static str, what: &'static str) -> Self {
        Self { name, values: Values::Capped(what) }
    }
}

impl Kind {
    /// Its name in the Prometheus exposition.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl Unit {
    /// Its name, empty for things.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Bytes => "bytes",
            Self::Seconds => "seconds",
            Self::Ratio => "ratio",
        }
    }
}
