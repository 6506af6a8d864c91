//! JSON requests of every shape: known fields in each other, as deep as one likes, behind a field
//! that is wrong. Mutations of good requests never nest, so they do not come here.

/// A place in a request: what stands before it and behind it, and the fields it knows.
struct Place {
    before: &'static str,
    behind: &'static str,
    fields: &'static [&'static str],
}

const fn place(
    before: &'static str,
    behind: &'static str,
    fields: &'static [&'static str],
) -> Place {
    Place { before, behind, fields }
}

/// What is known of a format.
pub(crate) struct Format {
    places: &'static [Place],
    /// Openings that may stand in each other, with what closes them.
    nests: &'static [(&'static str, &'static str)],
}

const ATTRIBUTE: &[&str] = &["key", "value"];

/// OTLP/JSON.
pub(crate) static OTLP: Format = Format {
    places: &[
        place("{", "}", &["resourceSpans"]),
        place(
            r#"{"resourceSpans":[{"#,
            "}]}",
            &["resource", "scopeSpans", "instrumentationLibrarySpans", "schemaUrl"],
        ),
        place(
            r#"{"resourceSpans":[{"resource":{"#,
            "}}]}",
            &["attributes", "entityRefs", "droppedAttributesCount"],
        ),
        place(
            r#"{"resourceSpans":[{"scopeSpans":[{"#,
            "}]}]}",
            &["scope", "spans", "schemaUrl", "instrumentationLibrary"],
        ),
        place(
            r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"#,
            "}]}]}]}",
            &["traceId", "name", "kind", "flags", "attributes", "events", "links", "status"],
        ),
        place(
            r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"events":[{"#,
            "}]}]}]}]}",
            &["timeUnixNano", "name", "attributes"],
        ),
        place(
            r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"links":[{"#,
            "}]}]}]}]}",
            &["traceId", "flags", "attributes"],
        ),
        place(
            r#"{"resourceSpans":[{"scopeSpans":[{"scope":{"attributes":[{"#,
            "}]}}]}]}",
            ATTRIBUTE,
        ),
        place(
            r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[{"value":{"#,
            "}}]}]}]}]}",
            &["stringValue", "boolValue", "intValue", "doubleValue", "arrayValue", "kvlistValue"],
        ),
    ],
    nests: &[
        (r#""resourceSpans":[{"#, "}]"),
        (r#""scopeSpans":[{"#, "}]"),
        (r#""scope_spans":[{"#, "}]"),
        (r#""instrumentationLibrarySpans":[{"#, "}]"),
        (r#""spans":[{"#, "}]"),
        (r#""resource":{"#, "}"),
        (r#""scope":{"#, "}"),
        (r#""status":{"#, "}"),
        (r#""entityRefs":[{"#, "}]"),
        (r#""events":[{"#, "}]"),
        (r#""links":[{"#, "}]"),
        (r#""attributes":[{"#, "}]"),
        (r#""value":{"#, "}"),
        (r#""attributes":[{"value":{"#, "}}]"),
        (r#""values":[{"#, "}]"),
        (r#""arrayValue":{"values":[{"#, "}]}"),
        (r#""kvlistValue":{"values":[{"value":{"#, "}}]}"),
        (r#""unknown":[{"#, "}]"),
    ],
};

/// Zipkin v2.
pub(crate) static ZIPKIN: Format = Format {
    places: &[
        place(
            r#"[{"traceId":"1","id":"2","#,
            "}]",
            &["traceId", "parentId", "name", "kind", "timestamp", "duration", "tags", "shared"],
        ),
        place("{", "}", &["localEndpoint", "annotations", "binaryAnnotations", "resourceSpans"]),
        place(r#"[{"traceId":"1","id":"2","tags":{"#, "}}]", &["error", "w3c.tracestate"]),
        place(
            r#"[{"traceId":"1","id":"2","remoteEndpoint":{"#,
            "}}]",
            &["serviceName", "ipv4", "ipv6", "port"],
        ),
        place(
            r#"[{"traceId":"1","id":"2","annotations":[{"#,
            "}]}]",
            &["timestamp", "value", "endpoint"],
        ),
    ],
    nests: &[
        (r#""tags":{"#, "}"),
        (r#""annotations":[{"#, "}]"),
        (r#""binaryAnnotations":[{"#, "}]"),
        (r#""localEndpoint":{"#, "}"),
        (r#""remoteEndpoint":{"#, "}"),
        (r#""endpoint":{"#, "}"),
        (r#""resourceSpans":[{"#, "}]"),
        (r#""unknown":[{"#, "}]"),
    ],
};

/// Values that most fields cannot have.
const WRONG: [&str; 10] = ["5", "-1", "1e999", "true", "null", r#""x""#, "[]", "[5]", "{}", "[{}]"];

/// How deep: about the bounds of what is read and of what is passed over, and what a stack would
/// not hold.
const DEPTHS: [usize; 9] = [0, 1, 20, 29, 45, 46, 100, 1_020, 4_000];

/// The request that `data` chooses.
pub(crate) fn chosen(format: &Format, data: &[u8]) -> Vec<u8> {
    let mut bytes = data.iter().copied();
    let mut next = |bound: usize| usize::from(bytes.next().unwrap_or(0)) % bound;
    let place = &format.places[next(format.places.len())];
    let mut text = place.before.to_owned();
    for _ in 0..next(3) {
        let (field, wrong) = (place.fields[next(place.fields.len())], WRONG[next(WRONG.len())]);
        text += &format!(r#""{field}":{wrong},"#);
    }
    let mut closing = Vec::new();
    for _ in 0..=next(2) {
        let (opening, close) = format.nests[next(format.nests.len())];
        let depth = DEPTHS[next(DEPTHS.len())];
        text += &opening.repeat(depth);
        closing.push(close.repeat(depth));
    }
    let closed = next(4) > 0;
    let field = place.fields[next(place.fields.len())];
    text += &format!(r#""{field}":{}"#, WRONG[next(WRONG.len())]);
    if closed {
        closing.iter().rev().for_each(|close| text += close);
        text += place.behind;
    }
    text.into_bytes()
}

/// Each wrong field in front of each nesting, at each place, deep.
pub(crate) fn every(format: &'static Format) -> impl Iterator<Item = Vec<u8>> {
    format
        .places
        .iter()
        .flat_map(|place| place.fields.iter().map(move |field| (place, field)))
        .flat_map(|(place, field)| {
            format.nests.iter().flat_map(move |(opening, close)| {
                ["5", "{}"].map(|wrong| {
                    let Place { before, behind, .. } = place;
                    let (opening, close) = (opening.repeat(4_000), close.repeat(4_000));
                    format!(r#"{before}"{field}":{wrong},{opening}{close}{behind}"#).into_bytes()
                })
            })
        })
}
