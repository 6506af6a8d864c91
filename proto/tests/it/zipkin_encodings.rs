//! Zipkin requests that are not what they are said to be, and requests to keep all spans.

use wholetrace_proto::{
    thrift::Writer,
    translated::{Limits, Translated},
    zipkin::{Encoding, Envelope, to_protobuf},
};

use crate::{
    zipkin::{IDS, traces_of},
    zipkin_protobuf, zipkin_thrift,
};

const ALL: [Encoding; 3] = [Encoding::Json, Encoding::Protobuf, Encoding::Thrift];

fn read(body: &[u8], encoding: Encoding) -> Translated {
    let envelope = Envelope { encoding, debug: false };
    to_protobuf(body, envelope, &mut Limits::default()).expect("a request")
}

#[test]
fn what_a_body_begins_with_goes_before_what_is_said_of_it() {
    let span = format!(r#"{{{IDS},"name":"get"}}"#);
    // As long as the characters that JSON may begin with are as numbers.
    let of_length = |length: u8| {
        let bare = zipkin_protobuf::span(|_| ());
        let name = usize::from(length) - bare.len() - 2;
        let span = zipkin_protobuf::span(|out| {
            wholetrace_proto::wire::put_bytes(out, 5, "n".repeat(name).as_bytes());
        });
        zipkin_protobuf::list(&[span])
    };
    let thrift = |writes: &[fn(&mut Writer)]| zipkin_thrift::list(writes);
    let bodies = [
        format!("[{span}]").into_bytes(),
        format!("\n\n [{span}]").into_bytes(),
        format!("\u{feff}[{span}]").into_bytes(),
        format!(" {span}").into_bytes(),
        zipkin_protobuf::list(&[zipkin_protobuf::every_field()]),
        of_length(b' '),
        of_length(b'['),
        of_length(b'{'),
        thrift(&[zipkin_thrift::every_field]),
        thrift(&[zipkin_thrift::every_field]).split_off(5),
    ];
    for body in bodies {
        for said in ALL {
            let translated = read(&body, said);
            assert_eq!(
                (translated.spans, translated.rejected.total()),
                (1, 0),
                "{body:?} {said:?}"
            );
            assert_eq!(translated, read(&body, Encoding::Json), "{body:?} {said:?}");
        }
    }
}

#[test]
fn nothing_is_nothing_however_it_is_said_to_be_written() {
    for said in ALL {
        assert_eq!(read(b"", said), Translated::default());
        assert_eq!(read(b"[]", said), Translated::default());
    }
}

/// As the header `X-B3-Flags: 1` asks for.
#[test]
fn all_spans_of_a_request_can_be_forced() {
    let one_way = format!(
        r#"[{{{IDS},"annotations":[{{"value":"cs","endpoint":{{"serviceName":"a"}}}},
            {{"value":"sr","endpoint":{{"serviceName":"b"}}}}]}},{{{IDS},"debug":false}}]"#
    );
    let bodies = [
        (one_way.into_bytes(), 3),
        (zipkin_protobuf::list(&[zipkin_protobuf::span(|_| ())]), 1),
        (zipkin_thrift::list(&[zipkin_thrift::every_field]), 1),
    ];
    for (body, count) in bodies {
        let envelope = Envelope { encoding: Encoding::Json, debug: true };
        let translated = to_protobuf(&body, envelope, &mut Limits::default()).expect("a request");
        let traces = traces_of(&translated);
        let spans = traces.resource_spans.iter().flat_map(|one| &one.scope_spans);
        let spans: Vec<_> = spans.flat_map(|one| &one.spans).collect();
        assert_eq!(spans.len(), count);
        for span in spans {
            let marks = span.attributes.iter().filter(|one| one.key == "wholetrace.keep");
            assert_eq!(marks.count(), 1, "{span:?}");
        }
    }
}
