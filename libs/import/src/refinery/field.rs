//! Fields of Honeycomb's events, as OTTL names them.

/// Beginnings of keys that only resources have.
const RESOURCE: [&str; 9] = [
    "service.",
    "k8s.",
    "host.",
    "cloud.",
    "container.",
    "deployment.",
    "telemetry.",
    "os.",
    "process.",
];

/// Beginnings of keys that only spans have.
const SPAN: [&str; 21] = [
    "http.",
    "url.",
    "db.",
    "rpc.",
    "messaging.",
    "net.",
    "network.",
    "server.",
    "client.",
    "peer.",
    "exception.",
    "error.",
    "user_agent.",
    "code.",
    "thread.",
    "faas.",
    "graphql.",
    "request.",
    "response.",
    "enduser.",
    "gen_ai.",
];

/// What a field is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// Paths, of which the first one with a value counts.
    Paths(Vec<String>),
    /// The time that a span took.
    Duration,
    /// Whether a span has no parent.
    Parent,
    /// Whether the status is an error; also an attribute.
    Error,
    /// The kind of a span.
    Kind,
    /// The number of spans in the trace.
    Count,
    /// Nothing that spans have here.
    Unknown,
}

impl Field {
    /// The meaning of `name`.
    pub(crate) fn of(name: &str) -> Self {
        let paths = |paths: &[&str]| Self::Paths(paths.iter().map(|&path| path.into()).collect());
        match name {
            "duration_ms" => Self::Duration,
            "trace.parent_id" => Self::Parent,
            "error" => Self::Error,
            "span.kind" | "type" => Self::Kind,
            "?.NUM_DESCENDANTS" => Self::Count,
            "name" => paths(&["span.name"]),
            "status_code" => paths(&["span.status.code"]),
            "status_message" => paths(&["span.status.message"]),
            "trace.trace_id" => paths(&["span.trace_id.string"]),
            "trace.span_id" => paths(&["span.span_id.string"]),
            "library.name" => paths(&["scope.name"]),
            "library.version" => paths(&["scope.version"]),
            _ if name.starts_with("?.") || name.starts_with("meta.") => Self::Unknown,
            _ => Self::attribute(name),
        }
    }

    /// Whether `name` is an attribute, on spans or on resources.
    pub(crate) fn is_attribute(name: &str) -> bool {
        !name.starts_with("root.") && Self::of(name) == Self::attribute(name)
    }

    fn attribute(name: &str) -> Self {
        let key = text(name);
        let begins = |list: &[&str]| list.iter().any(|beginning| name.starts_with(beginning));
        let (span, resource) =
            (format!("span.attributes[{key}]"), format!("resource.attributes[{key}]"));
        Self::Paths(match (begins(&RESOURCE), begins(&SPAN)) {
            (true, _) => vec![resource],
            (false, true) => vec![span],
            (false, false) => vec![span, resource],
        })
    }
}

/// A text of OTTL. The loader takes `$$` for a dollar sign.
pub(crate) fn text(text: &str) -> String {
    let mut out = String::from("\"");
    for one in text.chars() {
        match one {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '$' => out.push_str("$$"),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
