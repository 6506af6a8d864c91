use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use prost::Message;
use wholetrace_proto::{
    id::TraceKey,
    otlp::{
        AnyValue, ExportTraceServiceRequest, InstrumentationScope, KeyValue, Resource,
        ResourceSpans, ScopeSpans, Span, TracesData, any_value,
    },
    spans::{Head, ScopeRef, SpanRef, Visitor, visit},
};
use wholetrace_spanlog::routing::{Descriptor, Routing};

use super::*;
use crate::split::split;

fn routing(partitions: u32) -> Routing {
    Routing::new(Descriptor { epoch: 1, seed: 7, partitions }).unwrap()
}

fn span(trace: u64, id: u64, name: &str) -> Span {
    let mut trace_id = vec![9; 8];
    trace_id.extend_from_slice(&trace.to_be_bytes());
    let span_id = (id | 1).to_be_bytes().to_vec();
    Span { trace_id, span_id, name: name.to_owned(), ..Span::default() }
}

fn resource(name: &str) -> Option<Resource> {
    let value = Some(AnyValue { value: Some(any_value::Value::StringValue(name.to_owned())) });
    let attribute = KeyValue { key: "service.name".to_owned(), value, ..KeyValue::default() };
    Some(Resource { attributes: vec![attribute], ..Resource::default() })
}

/// Requests with few different resources, scopes and traces, so that all of them recur.
fn requests() -> impl Strategy<Value = Vec<ExportTraceServiceRequest>> {
    let spans = prop::collection::vec((0_u64..12, any::<u64>(), "[a-z]{0,40}"), 0..12);
    let scopes = prop::collection::vec((0_u8..3, spans), 0..4);
    let request = prop::collection::vec((0_u8..3, "[a-z]{0,3}", scopes), 0..4);
    prop::collection::vec(request, 0..5)
        .prop_map(|requests| requests.into_iter().map(|resources| request_of(&resources)).collect())
}

type Scopes = Vec<(u8, Vec<(u64, u64, String)>)>;

fn request_of(resources: &[(u8, String, Scopes)]) -> ExportTraceServiceRequest {
    let scope_spans = |(scope, spans): &(u8, Vec<(u64, u64, String)>)| ScopeSpans {
        scope: (*scope > 0).then(|| InstrumentationScope {
            name: format!("scope {scope}"),
            ..InstrumentationScope::default()
        }),
        spans: spans.iter().map(|(trace, id, name)| span(trace + 1, *id, name)).collect(),
        ..ScopeSpans::default()
    };
    let resource_spans = resources
        .iter()
        .map(|(name, schema_url, scopes)| ResourceSpans {
            resource: resource(&format!("service {name}")),
            scope_spans: scopes.iter().map(scope_spans).collect(),
            schema_url: schema_url.clone(),
        })
        .collect();
    ExportTraceServiceRequest { resource_spans }
}

/// Each span with its heads, as bytes, and how often it is there.
type Bag = BTreeMap<(Vec<u8>, Vec<u8>, Vec<u8>), usize>;

fn add_decoded(bag: &mut Bag, resource_spans: Vec<ResourceSpans>) {
    for mut resource in resource_spans {
        let scopes = std::mem::take(&mut resource.scope_spans);
        for mut scope in scopes {
            let spans = std::mem::take(&mut scope.spans);
            for span in spans {
                let (resource, scope) = (resource.encode_to_vec(), scope.encode_to_vec());
                *bag.entry((resource, scope, span.encode_to_vec())).or_default() += 1;
            }
        }
    }
}

/// The keys of a frame, and its pairs of heads in order.
#[derive(Default)]
struct Seen {
    keys: Vec<u64>,
    resources: Vec<Vec<u8>>,
    scopes: Vec<(usize, Vec<u8>)>,
}

impl<'a> Visitor<'a> for Seen {
    fn resource(&mut self, head: Head<'a>) {
        self.resources.push(head.bytes().into_owned());
    }

    fn scope(&mut self, scope: ScopeRef<'a>) {
        self.scopes.push((self.resources.len(), scope.head().bytes().into_owned()));
    }

    fn span(&mut self, span: SpanRef<'a>) {
        self.keys.extend(span.key().map(|TraceKey(key)| key));
    }
}

fn assert_distinct<T: Ord + Clone + std::fmt::Debug>(heads: &[T]) {
    let distinct: BTreeSet<T> = heads.iter().cloned().collect();
    assert_eq!(distinct.len(), heads.len(), "{heads:?}");
}

proptest! {
    /// Against a full decode: nothing is lost, nothing invented, every span is in a frame of its
    /// partition under its own heads, and a frame has each of its heads once.
    #[test]
    fn prop_frames_hold_what_the_requests_held(
        requests in requests(),
        partitions in 1_u32..9,
        frame_bytes in 64_usize..4096,
    ) {
        let routing = routing(partitions);
        let splits: Vec<Split> = requests
            .iter()
            .map(|request| split(request.encode_to_vec().into(), &routing, 1 << 20, None).unwrap())
            .collect();
        let splits: Vec<&Split> = splits.iter().collect();
        let mut wanted = Bag::new();
        for request in &requests {
            add_decoded(&mut wanted, request.resource_spans.clone());
        }
        let mut found = Bag::new();
        let mut member_spans = 0;
        for frame in frames(&splits, frame_bytes) {
            let mut seen = Seen::default();
            visit(&frame.payload, &mut seen).unwrap();
            prop_assert!(!seen.keys.is_empty());
            prop_assert!(seen.keys.iter().all(|key| routing.partition(*key) == frame.partition));
            assert_distinct(&seen.resources);
            assert_distinct(&seen.scopes);
            assert_distinct(&frame.requests);
            member_spans += seen.keys.len();
            // A frame passes its target only by what one run and its heads need.
            prop_assert!(frame.payload.len() <= frame_bytes.max(12 * 100 + 100));
            let decoded = TracesData::decode(frame.payload).unwrap();
            add_decoded(&mut found, decoded.resource_spans);
        }
        let spans: u32 = splits.iter().map(|split| split.spans()).sum();
        prop_assert_eq!(member_spans, spans as usize);
        prop_assert_eq!(found, wanted);
    }
}

#[test]
fn each_request_is_named_by_the_frames_with_its_spans() {
    let routing = routing(4);
    let traces: Vec<Vec<u64>> = vec![vec![1, 2, 3], vec![], vec![4], vec![1, 5]];
    let splits: Vec<Split> = traces
        .iter()
        .map(|traces| {
            let spans = traces.iter().map(|trace| span(*trace, 1, "a")).collect();
            let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
            let resource = ResourceSpans { scope_spans, ..ResourceSpans::default() };
            let request = ExportTraceServiceRequest { resource_spans: vec![resource] };
            split(request.encode_to_vec().into(), &routing, 1 << 20, None).unwrap()
        })
        .collect();
    let splits: Vec<&Split> = splits.iter().collect();
    let mut found: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for frame in frames(&splits, 1 << 18) {
        for request in frame.requests {
            found.entry(request).or_default().insert(frame.partition.0);
        }
    }
    for (request, traces) in traces.iter().enumerate() {
        let mut id = [9; 16];
        let partitions = traces.iter().map(|trace| {
            id[8..].copy_from_slice(&trace.to_be_bytes());
            routing.partition(*trace).0
        });
        let found = found.remove(&(request as u32)).unwrap_or_default();
        assert_eq!(found, partitions.collect(), "request {request}");
    }
}

#[test]
fn equal_heads_of_different_senders_are_written_once() {
    let routing = routing(1);
    let request = |name: &str| {
        let spans = vec![span(1, 1, name)];
        let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
        let resource = resource(&"r".repeat(1_000));
        let resource = ResourceSpans { resource, scope_spans, ..ResourceSpans::default() };
        ExportTraceServiceRequest { resource_spans: vec![resource] }.encode_to_vec()
    };
    let splits: Vec<Split> = (0..10)
        .map(|index| split(request(&index.to_string()).into(), &routing, 1 << 20, None).unwrap())
        .collect();
    let splits: Vec<&Split> = splits.iter().collect();
    let frames: Vec<_> = frames(&splits, 1 << 18).collect();
    assert_eq!(frames.len(), 1);
    assert!(frames[0].payload.len() < 2_000, "{}", frames[0].payload.len());
    assert_eq!(frames[0].requests, (0..10).collect::<Vec<u32>>());
}
