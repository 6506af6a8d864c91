use super::*;
use crate::wire::{put_bytes, put_uint};

/// What a visitor is told, as text.
#[derive(Default)]
struct Told(Vec<String>);

impl Visitor<'_> for Told {
    fn resource(&mut self, head: Head<'_>) {
        self.0.push(format!("resource {}", text(head)));
    }

    fn scope(&mut self, scope: ScopeRef<'_>) {
        self.0.push(format!("scope {}", text(scope.head())));
    }

    fn span(&mut self, span: SpanRef<'_>) {
        self.0.push(format!("span {}", String::from_utf8_lossy(span.body)));
    }
}

/// The content of a head's first field.
fn text(head: Head<'_>) -> String {
    String::from_utf8_lossy(head.bytes().get(2..).unwrap_or_default()).into_owned()
}

fn told(bytes: &[u8]) -> Result<Vec<String>, WireError> {
    let mut told = Told::default();
    visit(bytes, &mut told).map(|()| told.0)
}

fn field(number: u32, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, number, body);
    out
}

#[test]
fn library_spans_count_where_there_are_no_scope_spans() {
    let old = field(1000, &[field(1, b"lib"), field(2, b"old")].concat());
    let new = field(2, &[field(1, b"sco"), field(2, b"new")].concat());
    let resource = field(1, b"res");
    let only_old = field(1, &[resource.clone(), old.clone()].concat());
    assert_eq!(told(&only_old).unwrap(), ["resource res", "scope lib", "span old"]);
    let both = field(1, &[resource, old, new].concat());
    assert_eq!(told(&both).unwrap(), ["resource res", "scope sco", "span new"]);
}

#[test]
fn a_head_in_pieces_is_joined_in_order() {
    let scope = [field(1, b"a"), field(2, b"x"), field(3, b"b"), field(2, b"y"), field(4, b"c")];
    let bytes = field(1, &field(2, &scope.concat()));
    struct Heads<'a>(Vec<Head<'a>>);
    impl<'a> Visitor<'a> for Heads<'a> {
        fn scope(&mut self, scope: ScopeRef<'a>) {
            self.0.push(scope.head());
        }

        fn span(&mut self, _: SpanRef<'a>) {}
    }
    let mut heads = Heads(Vec::new());
    visit(&bytes, &mut heads).unwrap();
    let head = heads.0[0];
    let wanted = [field(1, b"a"), field(3, b"b"), field(4, b"c")].concat();
    assert_eq!(*head.bytes(), *wanted);
    assert_eq!((head.len(), head.range()), (wanted.len(), None));
    assert_eq!(head.parts().count(), 3);
    assert!(head.parts().all(|part| bytes[part].len() == 3));
    // One that was taken out before is one piece.
    let taken = Head::of(&wanted);
    assert_eq!(taken.range(), Some(0..wanted.len()));
    assert!(taken.parts().eq(std::iter::once(0..wanted.len())));
    assert_eq!(Head::of(&[]).parts().next(), None);
}

#[test]
fn the_place_of_a_span_is_that_of_its_body() {
    struct Last(Range<usize>);
    impl Visitor<'_> for Last {
        fn span(&mut self, span: SpanRef<'_>) {
            self.0 = span.range();
        }
    }
    let bytes = field(1, &field(2, &[field(2, b"one"), field(2, b"two")].concat()));
    let mut last = Last(0..0);
    visit(&bytes, &mut last).unwrap();
    assert_eq!(&bytes[last.0], b"two");
}

#[test]
fn a_known_field_of_another_type_refuses_the_request() {
    let number = |field| {
        let mut bytes = Vec::new();
        put_uint(&mut bytes, field, 7);
        bytes
    };
    let mut cases = vec![(number(1), "TracesData")];
    for known in 1..=3 {
        cases.push((field(1, &number(known)), "ResourceSpans"));
        cases.push((field(1, &field(2, &number(known))), "ScopeSpans"));
    }
    for (bytes, message) in cases {
        // Also for who asks for no heads.
        for error in [told(&bytes).unwrap_err(), count(&bytes).unwrap_err()] {
            let WireError::WrongType { message: found, .. } = error else { panic!("{error}") };
            assert_eq!(found, message);
        }
    }
}

#[test]
fn every_truncation_of_the_envelope_is_noticed_or_shorter() {
    let body = field(2, &[field(1, b"sco"), field(2, b"new")].concat());
    let bytes = [field(1, &body), field(1, &body)].concat();
    for end in 0..bytes.len() {
        let whole = end == 0 || end == bytes.len() / 2;
        assert_eq!(told(&bytes[..end]).is_ok(), whole, "{end} bytes");
    }
}

#[test]
fn nothing_at_all_is_a_request_without_spans() {
    assert_eq!(count(&[]), Ok(0));
    assert_eq!(count(&field(1, &[])), Ok(0));
    assert_eq!(count(&field(1, &field(2, &[]))), Ok(0));
}

#[test]
fn the_trace_id_is_found_wherever_it_is() {
    let id = [7; 16];
    let first = [field(1, &id), field(2, b"12345678")].concat();
    let last = [field(2, b"12345678"), field(1, &id)].concat();
    assert_eq!(trace_id(&first), id);
    assert_eq!(trace_id(&last), id);
    assert_eq!(trace_id(&field(1, b"short")), b"short");
    assert_eq!(trace_id(&field(2, b"12345678")), b"");
    assert_eq!(trace_id(&first[..9]), b"");
}
