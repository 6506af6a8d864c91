//! Cuts the text of a condition into tokens.
//!
//! At each place the rules are tried in the order of the language; the first that matches counts,
//! not the longest. Whether a keyword is a whole word depends on what follows it only.

use crate::{
    problem::{Problems, Span},
    syntax::token::{Comparison, Kind, Token},
};

/// The tokens of the text. What is wrong with one is added to `problems`.
pub(crate) fn tokens(problems: &mut Problems<'_>) -> Vec<Token> {
    let source = problems.source();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(rest) = source.get(at..).filter(|rest| !rest.is_empty()) {
        let first = rest.chars().next().unwrap_or_default();
        if matches!(first, ' ' | '\t' | '\n' | '\r' | '\x0c') {
            at += 1;
            continue;
        }
        let (kind, len) = next(rest).unzip();
        let len = len.unwrap_or_else(|| first.len_utf8());
        let span = Span { start: at, end: at + len };
        at = span.end;
        match kind {
            Some(kind) => {
                check(kind, span, problems);
                tokens.push(Token { kind, span });
            }
            None => unknown(first, span, problems),
        }
    }
    mark_groups(&mut tokens);
    tokens
}

/// The token at the start of `rest`, and its length in bytes.
fn next(rest: &str) -> Option<(Kind, usize)> {
    number(rest).or_else(|| text(rest)).or_else(|| word(rest)).or_else(|| sign(rest))
}

fn digits(rest: &str, is: impl Fn(&u8) -> bool) -> usize {
    rest.bytes().take_while(|byte| is(byte)).count()
}

fn number(rest: &str) -> Option<(Kind, usize)> {
    if let Some(hex) = rest.strip_prefix("0x") {
        let len = digits(hex, u8::is_ascii_hexdigit);
        if len > 0 {
            return Some((Kind::Bytes, len + 2));
        }
    }
    let whole = digits(rest, u8::is_ascii_digit);
    let after = rest.get(whole..).unwrap_or_default();
    if let Some(fraction) = after.strip_prefix('.') {
        let len = digits(fraction, u8::is_ascii_digit);
        if whole + len > 0 {
            let exponent = exponent(fraction.get(len..).unwrap_or_default());
            return Some((Kind::Float, whole + 1 + len + exponent));
        }
    }
    (whole > 0).then_some((Kind::Int, whole))
}

/// The length of the exponent of a number at the start of `rest`: 0 without one.
fn exponent(rest: &str) -> usize {
    let Some(power) = rest.strip_prefix(['e', 'E']) else { return 0 };
    let sign = usize::from(power.starts_with(['+', '-']));
    match digits(power.get(sign..).unwrap_or_default(), u8::is_ascii_digit) {
        0 => 0,
        len => 1 + sign + len,
    }
}

/// A text in double quotes. One that does not end is no token.
fn text(rest: &str) -> Option<(Kind, usize)> {
    let mut escaped = false;
    for (index, byte) in rest.strip_prefix('"')?.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some((Kind::Text, index + 2)),
            _ => {}
        }
    }
    None
}

fn word(rest: &str) -> Option<(Kind, usize)> {
    const KEYWORDS: [(&str, Kind); 6] = [
        ("nil", Kind::Nil),
        ("not", Kind::Not),
        ("or", Kind::Or),
        ("and", Kind::And),
        ("true", Kind::True),
        ("false", Kind::False),
    ];
    for (keyword, kind) in KEYWORDS {
        let after = rest.strip_prefix(keyword).map(|after| after.bytes().next());
        let is_inside = |byte: Option<u8>| {
            byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        if after.is_some_and(|next| !is_inside(next)) {
            return Some((kind, keyword.len()));
        }
    }
    let lower =
        digits(rest, |byte| byte.is_ascii_lowercase() || matches!(byte, b'0'..=b'9' | b'_'));
    let upper =
        digits(rest, |byte| byte.is_ascii_uppercase() || matches!(byte, b'0'..=b'9' | b'_'));
    match rest.bytes().next()? {
        b'a'..=b'z' => Some((Kind::Lower, lower)),
        b'A'..=b'Z' => Some((Kind::Upper, upper)),
        _ => None,
    }
}

fn sign(rest: &str) -> Option<(Kind, usize)> {
    let signs: [(&str, Kind); 22] = [
        ("==", Kind::Compare(Comparison::Equal)),
        ("!=", Kind::Compare(Comparison::NotEqual)),
        (">=", Kind::Compare(Comparison::GreaterOrEqual)),
        ("<=", Kind::Compare(Comparison::LessOrEqual)),
        ("=>", Kind::Arrow),
        (">", Kind::Compare(Comparison::Greater)),
        ("<", Kind::Compare(Comparison::Less)),
        ("+", Kind::Plus),
        ("-", Kind::Minus),
        ("/", Kind::Divide),
        ("*", Kind::Times),
        ("=", Kind::Equals),
        ("(", Kind::Open { value: false }),
        (")", Kind::Close),
        ("{", Kind::OpenBrace),
        ("}", Kind::CloseBrace),
        (":", Kind::Colon),
        (",", Kind::Comma),
        (".", Kind::Dot),
        ("[", Kind::OpenBracket),
        ("]", Kind::CloseBracket),
        ("_", Kind::Underscore),
    ];
    signs.iter().find(|(text, _)| rest.starts_with(text)).map(|(text, kind)| (*kind, text.len()))
}

/// Finds for each `(` what follows its `)`: a comparison or an operator makes it a value.
fn mark_groups(tokens: &mut [Token]) {
    let mut open = Vec::new();
    for index in 0..tokens.len() {
        match tokens.get(index).map(|token| token.kind) {
            Some(Kind::Open { .. }) => open.push(index),
            Some(Kind::Close) => {
                let Some(start) = open.pop() else { continue };
                let after = tokens.get(index + 1).map(|token| token.kind);
                let value = matches!(
                    after,
                    Some(Kind::Compare(_) | Kind::Plus | Kind::Minus | Kind::Times | Kind::Divide)
                );
                if let Some(token) = tokens.get_mut(start) {
                    token.kind = Kind::Open { value };
                }
            }
            _ => {}
        }
    }
}

/// Reports what the form of a literal does not rule out.
fn check(kind: Kind, span: Span, problems: &mut Problems<'_>) {
    let text = problems.source().get(span.start..span.end).unwrap_or_default();
    match kind {
        Kind::Int if int(text).is_none() => {
            let message = format!("the number `{text}` is above `{}`", i64::MAX);
            problems.add_with(span, message, Some("write it with a fraction: `.0`".to_owned()));
        }
        Kind::Float if !float(text).is_finite() => {
            problems.add(span, format!("the number `{text}` is above `{:e}`", f64::MAX));
        }
        Kind::Bytes if bytes(text).is_none() => {
            let message = format!("the bytes `{text}` have an odd number of digits");
            problems.add(span, message);
        }
        Kind::Text => {
            if let Err(wrong) = unescape(text) {
                let place = Span { start: span.start + wrong.start, end: span.start + wrong.end };
                let escape = text.get(wrong.start..wrong.end).unwrap_or_default();
                let message = format!("the text has the unknown escape `{escape}`");
                let hint = "write the backslash twice to have one, as in `\"\\\\d\"`";
                problems.add_with(place, message, Some(hint.to_owned()));
            }
        }
        _ => {}
    }
}

fn unknown(first: char, span: Span, problems: &mut Problems<'_>) {
    let (message, hint) = match first {
        '"' => ("the text that starts here does not end".to_owned(), Some("add a `\"`")),
        '\'' => ("a text stands in double quotes".to_owned(), Some("write `\"`")),
        '!' => ("`!` is no operator".to_owned(), Some("write `not`, or `!=`")),
        '&' => ("`&` is no operator".to_owned(), Some("write `and`")),
        '|' => ("`|` is no operator".to_owned(), Some("write `or`")),
        _ => (format!("`{first}` has no meaning here"), None),
    };
    problems.add_with(span, message, hint.map(str::to_owned));
}

/// The number that an `Int` token writes.
pub(crate) fn int(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// The number that a `Float` token writes.
pub(crate) fn float(text: &str) -> f64 {
    text.parse().unwrap_or(f64::INFINITY)
}

/// The bytes that a `Bytes` token writes.
pub(crate) fn bytes(text: &str) -> Option<Vec<u8>> {
    let hex = text.strip_prefix("0x")?.as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    hex.chunks(2).map(pair).collect()
}

/// The text that a `Text` token writes, or the place in it of the first escape that there is not.
pub(crate) fn unescape(quoted: &str) -> Result<String, Span> {
    let mut out = String::with_capacity(quoted.len());
    let end = quoted.len().saturating_sub(1);
    let mut at = 1;
    while let Some(rest) = quoted.get(at..end).filter(|rest| !rest.is_empty()) {
        let first = rest.chars().next().unwrap_or_default();
        if first != '\\' {
            out.push(first);
            at += first.len_utf8();
            continue;
        }
        let (char, len) = escape(rest).map_err(|len| Span { start: at, end: at + len })?;
        out.push(char);
        at += len;
    }
    Ok(out)
}

/// The character that the escape at the start of `rest` stands for, and the escape's length; the
/// length alone of what is none.
fn escape(rest: &str) -> Result<(char, usize), usize> {
    let letter = rest.chars().nth(1).ok_or(1_usize)?;
    let simple = match letter {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        '\\' | '"' => letter,
        'x' => return code(rest, 2, 2, 16),
        'u' => return code(rest, 2, 4, 16),
        'U' => return code(rest, 2, 8, 16),
        '0'..='7' => return code(rest, 1, 3, 8),
        _ => return Err(1 + letter.len_utf8()),
    };
    Ok((simple, 2))
}

/// The character of the `count` digits from `start` on.
fn code(rest: &str, start: usize, count: usize, radix: u32) -> Result<(char, usize), usize> {
    let digits = rest.get(start..start + count).ok_or(2_usize)?;
    if !digits.chars().all(|char| char.is_digit(radix)) {
        return Err(2);
    }
    let most = if radix == 8 { 0o377 } else { u32::MAX };
    u32::from_str_radix(digits, radix)
        .ok()
        .filter(|code| *code <= most)
        .and_then(char::from_u32)
        .map(|char| (char, start + count))
        .ok_or(start + count)
}
