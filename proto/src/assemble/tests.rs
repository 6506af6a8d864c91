use super::*;
use crate::spans::{count, visit};

#[test]
fn nothing_is_written_where_there_are_no_spans() {
    let mut out = Assembler::new();
    out.resource(Head::of(b"\x0a\x00"));
    out.scope(Head::of(b"\x0a\x00"));
    assert!(out.is_empty());
    assert_eq!((out.encoded_len(), out.to_vec()), (0, Vec::new()));
}

#[test]
fn heads_are_written_once_for_the_spans_that_follow() {
    let mut out = Assembler::new();
    out.resource(Head::of(b"\x0a\x00"));
    out.scope(Head::of(b"\x0a\x00"));
    out.span(b"\x2a\x01a");
    out.span(b"\x2a\x01b");
    out.resource(Head::of(b""));
    out.scope(Head::of(b""));
    out.resource(Head::of(b"\x1a\x01u"));
    out.scope(Head::of(b""));
    out.span_with(|bytes| bytes.extend(b"\x2a\x01c"));
    let wanted: &[u8] = b"\x0a\x10\x0a\x00\x12\x0c\x0a\x00\x12\x03\x2a\x01a\x12\x03\x2a\x01b\
        \x0a\x0a\x1a\x01u\x12\x05\x12\x03\x2a\x01c";
    assert_eq!(out.to_vec(), wanted);
    assert_eq!((out.encoded_len(), out.spans()), (wanted.len(), 3));
}

#[test]
fn the_length_is_right_after_every_span() {
    let mut out = Assembler::new();
    let span = [0x2a, 0x7d].into_iter().chain([b'x'; 125]).collect::<Vec<_>>();
    for number in 0..300_u32 {
        if number % 100 == 0 {
            out.resource(Head::of(b"\x0a\x00"));
        }
        if number % 10 == 0 {
            out.scope(Head::of(b"\x0a\x00"));
        }
        out.span(&span);
        let message = out.to_vec();
        assert_eq!((out.encoded_len(), out.spans()), (message.len(), number as usize + 1));
        assert_eq!(count(&message), Ok(number as usize + 1));
    }
}

#[test]
fn spans_without_heads_are_written_under_empty_ones() {
    let mut out = Assembler::new();
    out.span(b"");
    assert_eq!(out.to_vec(), b"\x0a\x04\x12\x02\x12\x00");
}

#[test]
fn a_cleared_one_starts_anew_and_appends() {
    let mut out = Assembler::new();
    out.resource(Head::of(b"\x0a\x00"));
    out.span(b"");
    out.clear();
    assert!(out.is_empty() && out.encoded_len() == 0);
    out.span_with(|bytes| bytes.push(0x2a));
    let mut written = b"before".to_vec();
    out.append_to(&mut written);
    assert_eq!(written, b"before\x0a\x05\x12\x03\x12\x01\x2a");
}

#[test]
fn a_head_in_pieces_is_written_in_one() {
    let given = b"\x0a\x0c\x0a\x00\x12\x04\x12\x02\x2a\x00\x1a\x02ab";
    let mut out = Assembler::new();
    visit(given, &mut out).unwrap();
    let wanted = b"\x0a\x0c\x0a\x00\x1a\x02ab\x12\x04\x12\x02\x2a\x00";
    assert_eq!(out.to_vec(), wanted);
}
