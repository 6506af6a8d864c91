//! The types of policies there are, in the Collector and here.

/// A type of policy that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    AlwaysSample,
    And,
    Drop,
    Latency,
    Probabilistic,
    StatusCode,
    StringAttribute,
}

/// What is known of a type.
struct Row {
    name: &'static str,
    /// None for types that are not supported yet.
    kind: Option<Kind>,
}

const fn yes(name: &'static str, kind: Kind) -> Row {
    Row { name, kind: Some(kind) }
}

const fn not_yet(name: &'static str) -> Row {
    Row { name, kind: None }
}

/// All types that the Collector has.
const TABLE: [Row; 17] = [
    yes("always_sample", Kind::AlwaysSample),
    yes("and", Kind::And),
    not_yet("boolean_attribute"),
    not_yet("bytes_limiting"),
    not_yet("composite"),
    yes("drop", Kind::Drop),
    yes("latency", Kind::Latency),
    not_yet("not"),
    not_yet("numeric_attribute"),
    not_yet("ottl_condition"),
    yes("probabilistic", Kind::Probabilistic),
    not_yet("rate_limiting"),
    not_yet("span_count"),
    yes("status_code", Kind::StatusCode),
    yes("string_attribute", Kind::StringAttribute),
    not_yet("trace_flags"),
    not_yet("trace_state"),
];

/// What a name in the configuration says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Supported(Kind),
    /// The Collector has it, we do not yet.
    NotYet,
    Unknown,
}

impl Kind {
    pub(super) fn of(name: &str) -> Named {
        match TABLE.iter().find(|row| row.name == name) {
            Some(Row { kind: Some(kind), .. }) => Named::Supported(*kind),
            Some(Row { kind: None, .. }) => Named::NotYet,
            None => Named::Unknown,
        }
    }

    /// Its name in the configuration; also that of the block with its settings.
    pub(super) fn name(self) -> &'static str {
        TABLE.iter().find(|row| row.kind == Some(self)).map_or("", |row| row.name)
    }

    /// Whether it judges by itself, so that it may stand in an `and` or a `drop`.
    pub(super) const fn is_leaf(self) -> bool {
        !matches!(self, Self::And | Self::Drop)
    }
}

/// The names of the types that can be used: all of them, or those that may stand in an `and`.
pub(super) fn supported(leaves_only: bool) -> Vec<&'static str> {
    let usable = |kind: Kind| !leaves_only || kind.is_leaf();
    TABLE.iter().filter(|row| row.kind.is_some_and(usable)).map(|row| row.name).collect()
}

/// The names of all types, those among them that are not supported yet.
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|row| row.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_found_by_its_name() {
        for name in supported(false) {
            let Named::Supported(kind) = Kind::of(name) else { panic!("{name}") };
            assert_eq!(kind.name(), name);
            assert_eq!(supported(true).contains(&name), kind.is_leaf(), "{name}");
        }
        assert_eq!(Kind::of("composite"), Named::NotYet);
        assert_eq!(Kind::of("latencies"), Named::Unknown);
    }
}
