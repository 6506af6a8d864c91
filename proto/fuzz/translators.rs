//! One check for each translator: what must hold for any bytes. The fuzz targets call them, and
//! so does a short run in the test suite.

use prost::Message;
use wholetrace_proto::{
    check::check_span,
    jaeger::{JaegerError, api_v2, thrift},
    json::JsonError,
    otlp::{
        AnyValue, KeyValue, Span, TracesData, any_value::Value,
        numbers::INSTRUMENTATION_LIBRARY_SPANS,
    },
    otlp_json::{from_protobuf, to_protobuf},
    spans::count,
    thrift::Protocol,
    translated::{Limits, NoRoom, Room, Translated},
    wire::Cursor,
    zipkin::{self, Encoding, Envelope, ZipkinError},
};

#[path = "binary_shapes.rs"]
pub(crate) mod binary_shapes;
#[path = "shapes.rs"]
pub(crate) mod shapes;

/// What is JSON is read as JSON; what is read is a valid message, no larger than the text allows,
/// and comes back as a line that says the same.
pub(crate) fn json(data: &[u8]) {
    let mut limits = Limits::default();
    let translated = match to_protobuf(data, &mut limits) {
        Ok(translated) => translated,
        Err(error) => return assert_json_is_read(data, &error),
    };
    let traces = decoded(&translated);
    assert!(words_of_infinity(data) || !has_infinity(&traces), "a number became infinite");
    // `"kind":-1,` takes 11 bytes.
    assert!(translated.bytes.len() <= data.len() + data.len() / 8);
    let line = from_protobuf(&translated.bytes).expect("what was translated can be written");
    let again = to_protobuf(&line, &mut limits).expect("what was written can be read");
    assert_eq!(again.rejected.first(), None);
    assert_eq!(again.spans, translated.spans);
    if let Ok(line_again) = from_protobuf(&again.bytes) {
        assert_eq!(line_again, line);
    }
    if has_old_scopes(&translated.bytes) {
        // A decoder does not know the spans in them.
        return;
    }
    let ids =
        |traces: &TracesData| spans(traces).map(|one| one.span_id.clone()).collect::<Vec<_>>();
    let zero = |id: &Vec<u8>| id.iter().all(|byte| *byte == 0);
    let mut wanted = ids(&traces);
    wanted.iter_mut().filter(|id| zero(id)).for_each(Vec::clear);
    assert_eq!(ids(&decoded(&again)), wanted);
}

/// A message that can be written as a line is JSON, with as many spans. The line says what a decoder
/// finds in the message: what is given twice counts as it does there.
pub(crate) fn line(data: &[u8]) {
    let Ok(line) = from_protobuf(data) else { return };
    if let Some(traces) = TracesData::decode(data).ok().filter(|_| !has_old_scopes(data)) {
        assert_eq!(from_protobuf(&traces.encode_to_vec()).as_ref(), Ok(&line));
    }
    let valid = serde_json::from_slice::<serde::de::IgnoredAny>(&line);
    // The reader of the comparison does not go as deep.
    assert!(valid.is_ok() || line.len() > 1000, "{valid:?}");
    assert!(!line.contains(&b'\n'));
    to_protobuf(&line, &mut Limits::default()).expect("a line is a request");
}

/// Whether there are scopes under their old number, which a decoder does not know.
fn has_old_scopes(data: &[u8]) -> bool {
    let mut request = Cursor::new(data);
    while let Ok(Some(field)) = request.next_field() {
        let mut resource = Cursor::new(field.bytes("TracesData").unwrap_or_default());
        while let Ok(Some(field)) = resource.next_field() {
            if field.number == INSTRUMENTATION_LIBRARY_SPANS {
                return true;
            }
        }
    }
    false
}

/// In whatever encoding bytes are said to be: what is JSON is read as JSON; what is read is a valid
/// message whose spans all pass the check, end after they began, and have no attribute twice.
pub(crate) fn zipkin(data: &[u8]) {
    for encoding in [Encoding::Json, Encoding::Protobuf, Encoding::Thrift] {
        zipkin_said(data, Envelope { encoding, debug: data.len().is_multiple_of(2) });
    }
}

fn zipkin_said(data: &[u8], envelope: Envelope) {
    match zipkin::to_protobuf(data, envelope, &mut Limits::default()) {
        Ok(translated) => {
            assert_translated(&translated);
            assert!(translated.bytes.len() <= 10 * data.len(), "{} bytes", translated.bytes.len());
            let translate =
                |room: &mut dyn Room| zipkin::to_protobuf(data, envelope, room).map(drop).is_ok();
            assert_room_is_asked_for(translate, translated.bytes.len());
        }
        Err(ZipkinError::Json(error)) if envelope.encoding == Encoding::Json => {
            assert_json_is_read(data, &error);
        }
        Err(error) => assert!(error.to_string().len() < 200),
    }
}

/// What is read is a valid message whose spans all pass the check, end after they began, and have no
/// attribute twice; it is no larger than the bytes allow.
pub(crate) fn jaeger(data: &[u8]) {
    let Ok(translated) = api_v2::to_protobuf(data, &mut Limits::default()) else { return };
    assert_translated(&translated);
    assert!(translated.bytes.len() <= 8 * data.len(), "{} bytes", translated.bytes.len());
    let translate = |room: &mut dyn Room| api_v2::to_protobuf(data, room).map(drop).is_ok();
    assert_room_is_asked_for(translate, translated.bytes.len());
}

/// The same for a batch in Thrift: as it is posted, and as a message in either protocol.
pub(crate) fn jaeger_thrift(data: &[u8]) {
    type Translate = fn(&[u8], &mut dyn Room) -> Result<Translated, JaegerError>;
    let ways: [Translate; 3] = [
        thrift::to_protobuf,
        |data, room| thrift::message_to_protobuf(data, Protocol::Binary, room),
        |data, room| thrift::message_to_protobuf(data, Protocol::Compact, room),
    ];
    for way in ways {
        let Ok(translated) = way(data, &mut Limits::default()) else { continue };
        assert_translated(&translated);
        // Numbers of the compact protocol take a byte.
        let most = 32 * data.len();
        assert!(translated.bytes.len() <= most, "{} bytes", translated.bytes.len());
        let translate = |room: &mut dyn Room| way(data, room).is_ok();
        assert_room_is_asked_for(translate, translated.bytes.len());
    }
}

fn assert_translated(translated: &Translated) {
    for span in spans(&decoded(translated)) {
        check_span(&span.encode_to_vec()).expect("a span that passes the check");
        let mut keys: Vec<_> = span.attributes.iter().map(|one| &one.key).collect();
        keys.sort_unstable();
        assert!(keys.is_sorted_by(|one, next| one < next), "a name given twice: {keys:?}");
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
    }
}

/// Requests in the shape that `data` chooses.
pub(crate) fn shapes(data: &[u8]) {
    json(&shapes::chosen(&shapes::OTLP, data));
    zipkin(&shapes::chosen(&shapes::ZIPKIN, data));
    zipkin(&binary_shapes::protobuf(data));
    zipkin(&binary_shapes::thrift(data));
}

/// Whether `text` may name an infinity, escapes and all.
fn words_of_infinity(text: &[u8]) -> bool {
    text.to_ascii_lowercase().windows(3).any(|three| three == b"inf" || three.ends_with(b"\\u"))
}

fn has_infinity(traces: &TracesData) -> bool {
    fn is_infinite(value: &AnyValue) -> bool {
        match &value.value {
            Some(Value::DoubleValue(number)) => number.is_infinite(),
            Some(Value::ArrayValue(list)) => list.values.iter().any(is_infinite),
            Some(Value::KvlistValue(list)) => any(&list.values),
            _ => false,
        }
    }
    fn any(attributes: &[KeyValue]) -> bool {
        attributes.iter().filter_map(|one| one.value.as_ref()).any(is_infinite)
    }
    spans(traces)
        .any(|span| any(&span.attributes) || span.events.iter().any(|event| any(&event.attributes)))
}

/// What a translation takes, it asks for before; where there is less, the request is refused.
fn assert_room_is_asked_for(translate: impl Fn(&mut dyn Room) -> bool, bytes: usize) {
    struct Asked(Vec<usize>);
    impl Room for Asked {
        fn grow_to(&mut self, bytes: usize) -> Result<(), NoRoom> {
            self.0.push(bytes);
            Ok(())
        }
    }
    let mut room = Asked(Vec::new());
    assert!(translate(&mut room), "the same again");
    let asked = room.0.last().copied().unwrap_or(0);
    assert!(asked >= 2 * bytes && room.0.is_sorted(), "{bytes} bytes in {:?}", room.0);
    if let Some(less) = (2 * bytes).checked_sub(1) {
        assert!(!translate(&mut Limits { bytes: less }), "{bytes} bytes in {less}");
    }
}

fn assert_json_is_read(data: &[u8], error: &JsonError) {
    if matches!(error, JsonError::Syntax { .. } | JsonError::Empty | JsonError::Format { .. }) {
        let strict = serde_json::from_slice::<serde::de::IgnoredAny>(data);
        assert!(strict.is_err(), "JSON, but {error}");
    }
    assert!(error.to_string().len() < 200);
}

fn decoded(translated: &Translated) -> TracesData {
    let traces = TracesData::decode(&*translated.bytes).expect("valid protobuf");
    assert_eq!(count(&translated.bytes).expect("valid protobuf") as u64, translated.spans);
    if !has_old_scopes(&translated.bytes) {
        assert_eq!(spans(&traces).count() as u64, translated.spans);
    }
    traces
}

fn spans(traces: &TracesData) -> impl Iterator<Item = &Span> {
    let scopes = traces.resource_spans.iter().flat_map(|one| &one.scope_spans);
    scopes.flat_map(|one| &one.spans)
}
