use super::*;

#[test]
fn each_byte_that_is_no_part_of_a_character_is_replaced() {
    // A name, with a character cut short, a stray byte, and a whole character.
    let body = b"\x2a\x09a\xe2\x82b\xffc\xc3\xa9d";
    let repaired = repair_span(body);
    assert_eq!(&*repaired, b"\x2a\x09a??b?c\xc3\xa9d");
    assert!(matches!(repair_span(&repaired), Cow::Borrowed(_)));
}

#[test]
fn what_is_no_text_stays() {
    // A trace id, and an attribute with bytes.
    let body = b"\x0a\x02\xff\xfe\x4a\x05\x12\x03\x3a\x01\xff";
    assert!(matches!(repair_span(body), Cow::Borrowed(_)));
}

#[test]
fn a_malformed_span_comes_back_as_it_is_from_there_on() {
    let body = b"\x2a\x01\xff\x2a\x09\xff";
    assert_eq!(&*repair_span(body), b"\x2a\x01?\x2a\x09\xff");
}
