//! The names of the values of OTLP's enumerations.

/// Names of the kinds of spans, in the order of their numbers.
pub(crate) const KINDS: [&str; 6] =
    ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];

/// Names of the status codes, in the order of their numbers.
pub(crate) const STATUS_CODES: [&str; 3] = ["UNSET", "OK", "ERROR"];

/// The number of the value called `name`, in any case, of those that `names` are in their order.
pub(crate) fn number_of(name: &str, names: &[&str]) -> Option<u64> {
    (0..).zip(names).find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(number, _)| number)
}

/// The number of the status code called `text`, in any case, also with the name of the enumeration
/// before it.
pub(crate) fn status_code(text: &str) -> Option<u64> {
    number_of(text.strip_prefix("STATUS_CODE_").unwrap_or(text), &STATUS_CODES)
}
