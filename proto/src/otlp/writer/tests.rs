use prost::Message;

use super::*;
use crate::{
    otlp::{
        TracesData,
        message::Scalar,
        numbers::{instrumentation_scope, resource, span},
    },
    translated::Limits,
};

/// A resource of the service `name` and its scope `scope`.
fn place(writer: &mut Writer<'_>, name: &str, scope: &str) -> Result<ScopeId, NoRoom> {
    let resource = writer.resource(|message| {
        message.attribute(resource::ATTRIBUTES, "service.name", &Scalar::Text(name));
    })?;
    writer.scope(resource, |message| message.text(instrumentation_scope::NAME, scope.as_bytes()))
}

fn traces(translated: &Translated) -> TracesData {
    TracesData::decode(&*translated.bytes).unwrap()
}

/// Names of spans, by resource and scope.
fn names(translated: &Translated) -> Vec<Vec<Vec<String>>> {
    let resources = traces(translated).resource_spans.into_iter().map(|resource| {
        let scopes = resource.scope_spans.into_iter();
        scopes.map(|scope| scope.spans.into_iter().map(|span| span.name).collect()).collect()
    });
    resources.collect()
}

#[test]
fn spans_stand_under_equal_resources_and_scopes() {
    let mut limits = Limits::default();
    let mut writer = Writer::new(&mut limits);
    for (service, scope, name) in
        [("a", "x", "1"), ("b", "x", "2"), ("a", "y", "3"), ("a", "x", "4"), ("b", "", "5")]
    {
        let scope = place(&mut writer, service, scope).unwrap();
        let write = |message: &mut MessageWriter<'_, '_>| {
            message.text(span::NAME, name.as_bytes());
            Ok(())
        };
        writer.span(scope, write).unwrap();
    }
    let translated = writer.finish().unwrap();
    assert_eq!(translated.spans, 5);
    let wanted = [vec![vec!["1", "4"], vec!["3"]], vec![vec!["2"], vec!["5"]]];
    assert_eq!(names(&translated), wanted);
}

#[test]
fn a_bad_span_is_taken_back_alone() {
    let mut limits = Limits::default();
    let mut writer = Writer::new(&mut limits);
    for (service, name, bad) in [("a", "1", false), ("a", "2", true), ("b", "3", true)] {
        let scope = place(&mut writer, service, "x").unwrap();
        let write = |message: &mut MessageWriter<'_, '_>| {
            message.text(span::NAME, name.as_bytes());
            // A message that is begun is taken back too.
            let _status = message.begin_message(span::STATUS);
            if bad { Err(SpanReject::Padding) } else { Ok(()) }
        };
        writer.span(scope, write).unwrap();
    }
    writer.reject(SpanReject::Padding);
    let translated = writer.finish().unwrap();
    assert_eq!((translated.spans, translated.rejected.total()), (1, 3));
    // Nothing of the resource of which no span was good.
    assert_eq!(traces(&translated).resource_spans.len(), 1);
}

#[test]
fn room_is_asked_for_before_it_is_taken() {
    /// Gives so much and no more.
    struct Some(usize);
    impl Room for Some {
        fn grow_to(&mut self, bytes: usize) -> Result<(), NoRoom> {
            if bytes <= self.0 { Ok(()) } else { Err(NoRoom { bytes }) }
        }
    }
    let write = |limit: usize| {
        let mut room = Some(limit);
        let mut writer = Writer::new(&mut room);
        let scope = place(&mut writer, "a", "x")?;
        let text = "long ".repeat(100);
        for _ in 0..50 {
            writer.span(scope, |message| {
                for _ in 0..10 {
                    message.attribute(span::ATTRIBUTES, "key", &Scalar::Text(&text));
                }
                Ok(())
            })?;
        }
        writer.finish()
    };
    let needed = 2 * write(usize::MAX).unwrap().bytes.len();
    assert!(write(needed + 1_000).is_ok());
    for limit in [0, 1, 100, 300, 1_000, 10_000, 100_000, needed - 1] {
        let refused = write(limit).unwrap_err();
        assert!(refused.bytes > limit, "{refused:?} of {limit}");
    }
}
