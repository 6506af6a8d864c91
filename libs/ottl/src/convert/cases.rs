//! Upper, lower, snake and camel case, as Go has them: one character becomes one character.

/// The lower-case character.
pub(super) fn lower(char: char) -> char {
    // What becomes several characters becomes the first: only `İ`.
    char.to_lowercase().next().unwrap_or(char)
}

/// The upper-case character; one that would become several stays as it is.
pub(super) fn upper(char: char) -> char {
    let mut several = char.to_uppercase();
    match (several.next(), several.next()) {
        (Some(one), None) => one,
        _ => char,
    }
}

/// The text with each character mapped; what is no UTF-8 becomes the replacement character.
pub(super) fn mapped(text: &[u8], map: fn(char) -> char) -> Vec<u8> {
    let mut out = String::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        out.extend(chunk.valid().chars().map(map));
        out.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    out.into_bytes()
}

const fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'_' | b'-' | b'.')
}

/// Words in lower case with `_` between them. A word ends before an upper-case letter that follows
/// a lower-case one, before the last of several upper-case letters, and at digits.
pub(super) fn snake(text: &[u8]) -> Vec<u8> {
    let text = text.trim_ascii();
    let mut out = Vec::with_capacity(text.len() + 8);
    for (index, byte) in text.iter().copied().enumerate() {
        if is_separator(byte) {
            out.push(b'_');
            continue;
        }
        out.push(byte.to_ascii_lowercase());
        let (Some(next), after) = (text.get(index + 1).copied(), text.get(index + 2)) else {
            continue;
        };
        let letter_to_digit = byte.is_ascii_alphabetic() && next.is_ascii_digit();
        let digit_to_letter = byte.is_ascii_digit() && next.is_ascii_alphabetic();
        let lower_to_upper = byte.is_ascii_lowercase() && next.is_ascii_uppercase();
        let last_upper = byte.is_ascii_uppercase()
            && next.is_ascii_uppercase()
            && after.is_some_and(u8::is_ascii_lowercase);
        if letter_to_digit || digit_to_letter || lower_to_upper || last_upper {
            out.push(b'_');
        }
    }
    out
}

/// Words that start with an upper-case letter, with nothing between them.
pub(super) fn camel(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut starts = true;
    for byte in text.trim_ascii().iter().copied() {
        if is_separator(byte) {
            starts = true;
            continue;
        }
        out.push(if starts { byte.to_ascii_uppercase() } else { byte });
        starts = byte.is_ascii_digit();
    }
    out
}
