//! What is known to go wrong in what is written for others: the table is in `docs/protocols.md`.

use prost::Message;
use wholetrace_proto::{
    id::TraceId,
    jaeger::{PostSpansWriter, api_v2::to_protobuf},
    otlp::{InstrumentationScope, Span, TracesData},
    otlp_json,
    translated::Limits,
    zipkin::{JsonWriter, NO_SERVICE_NAME},
};

use crate::{kept::traces, sample::text, zipkin::traces_of};

/// A span with ids and nothing else, of a resource without attributes.
fn bare(trace_id: u128) -> TracesData {
    let (trace_id, span_id) = (trace_id.to_be_bytes().to_vec(), vec![2; 8]);
    traces(
        Vec::new(),
        InstrumentationScope::default(),
        vec![Span { trace_id, span_id, ..Span::default() }],
    )
}

/// Zipkin's users look for the 16 digits that their logs have, those of OTLP for 32.
#[test]
fn trap_03_ids_are_printed_as_each_format_has_them() {
    for (id, short) in [
        (0x352b_ff9a_74ca_9ad2, "352bff9a74ca9ad2"),
        (0x2b, "000000000000002b"),
        (1 << 64 | 0x2b, "0000000000000001000000000000002b"),
    ] {
        let message = bare(id).encode_to_vec();
        let mut zipkin = JsonWriter::new(NO_SERVICE_NAME, usize::MAX);
        zipkin.add(&message).unwrap();
        let zipkin: serde_json::Value = serde_json::from_slice(&zipkin.finish()).unwrap();
        assert_eq!(zipkin[0]["traceId"], short);
        let json = otlp_json::from_protobuf(&message).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let span = &json["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
        assert_eq!(span["traceId"], format!("{id:032x}"));
        // The key of a message in a topic, and what logs of ours say.
        assert_eq!(TraceId(id.to_be_bytes()).to_string(), format!("{id:032x}"));
    }
}

/// Collectors of Jaeger have ended for a batch without a process, and stored services without a name.
#[test]
fn trap_09_what_is_written_for_jaeger_names_a_service() {
    let mut anonymous = bare(1);
    anonymous.resource_spans[0].resource = None;
    let mut nameless = bare(2);
    nameless.resource_spans[0].resource.get_or_insert_default().attributes =
        vec![text("service.name", ""), text("team", "a")];
    for given in [bare(3), anonymous, nameless] {
        let mut writer = PostSpansWriter::new(usize::MAX);
        writer.add(&given.encode_to_vec()).unwrap();
        let request = writer.finish().unwrap();
        let name = b"\x0a\x19OTLPResourceNoServiceName";
        assert!(request.windows(name.len()).any(|window| window == name), "{request:?}");
        // Which our receiver knows to be none.
        let back = to_protobuf(&request, &mut Limits::default()).unwrap();
        let resource = traces_of(&back).resource_spans[0].resource.clone().unwrap_or_default();
        assert!(!resource.attributes.iter().any(|one| one.key == "service.name"));
    }
}
