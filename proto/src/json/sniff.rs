//! Bytes that are sent as JSON and are something else.

/// What the bytes are when they are clearly no JSON in UTF-8, and what the sender must change.
pub(super) fn other_format(text: &[u8]) -> Option<(&'static str, &'static str)> {
    let declare = "declare it in `Content-Encoding`";
    Some(match text {
        [0x1f, 0x8b, ..] => ("gzip", declare),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => ("zstd", declare),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => ("text in UTF-16", "send UTF-8"),
        // The first field of a request, and its length; or a list of Zipkin's protobuf.
        [0x0a, 0x01..=0x08 | 0x0b | 0x0c | 0x0e..=0x1f | 0x7f..=0xff, ..] => {
            ("protobuf", "declare it in `Content-Type`: `application/x-protobuf`")
        }
        _ => return None,
    })
}
