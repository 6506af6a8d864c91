//! Regular expressions as the Collector understands them.
//!
//! The Collector's language is Go's. Ours is of the same family, but reads a few things otherwise:
//! `\d`, `\w`, `\s` and `\b` (all of Unicode instead of ASCII), `{` that starts no repetition,
//! `[`, `&&`, `--` and `~~` inside of a class, `\Q…\E`, octal escapes, `\<`, `\>` and `\p{^…}`. So
//! patterns are rewritten before they are compiled.

use std::str::Chars;

use regex::bytes::{Regex, RegexBuilder};

const DIGIT: &str = "0-9";
const WORD: &str = "0-9A-Za-z_";
const SPACE: &str = r"\t\n\f\r ";

/// Compiles a pattern in Go's syntax; it may match anywhere in a text. Matching takes time linear
/// in the text.
///
/// # Errors
/// When the pattern is none, or takes more memory than `regex` gives to one (10 MiB).
pub fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(&rewrite(pattern)).build()
}

/// The most memory for a pattern that is compiled at each evaluation, in bytes.
const SMALL_MAX: usize = 64 * 1024;

/// Compiles a pattern that comes with the data: with less memory than [`compile`] allows, so that
/// no span costs much time.
pub(crate) fn compile_small(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(&rewrite(pattern)).size_limit(SMALL_MAX).dfa_size_limit(SMALL_MAX).build()
}

/// What is wrong with a pattern, in a line.
#[must_use]
pub fn reason(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(bytes) => format!("it takes more than `{bytes}` bytes"),
        // The last line tells it; those before draw the pattern as it was rewritten.
        _ => {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            last.strip_prefix("error: ").unwrap_or(last).to_owned()
        }
    }
}

/// The pattern in the syntax of the `regex` crate. What is wrong stays wrong.
fn rewrite(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern.chars();
    while let Some(char) = rest.next() {
        match char {
            '\\' if rest.as_str().starts_with('Q') => {
                let text = rest.as_str().get(1..).unwrap_or_default();
                let (literal, after) = text.split_once("\\E").unwrap_or((text, ""));
                out.push_str(&regex::escape(literal));
                rest = after.chars();
            }
            '\\' => escape(&mut rest, Where::Outside, &mut out),
            '[' => class(&mut rest, &mut out),
            '{' if !is_repetition(rest.as_str()) => out.push_str(r"\{"),
            _ => out.push(char),
        }
    }
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Where {
    Outside,
    InClass,
}

/// Rewrites an escape whose backslash has been read.
fn escape(rest: &mut Chars<'_>, place: Where, out: &mut String) {
    let Some(char) = rest.next() else {
        out.push('\\');
        return;
    };
    match (char, place) {
        ('d' | 'w' | 's', Where::InClass) => out.push_str(perl_class(char)),
        ('d' | 'w' | 's', Where::Outside) => push_all(out, &["[", perl_class(char), "]"]),
        ('D' | 'W' | 'S', _) => push_all(out, &["[^", perl_class(char), "]"]),
        ('b', Where::Outside) => out.push_str(r"(?-u:\b)"),
        ('B', Where::Outside) => out.push_str(r"(?-u:\B)"),
        ('p' | 'P' | 'x', _) if rest.as_str().starts_with('{') => braced(char, rest, out),
        ('0', _) => octal(char, rest, out),
        ('1'..='7', _) if rest.as_str().starts_with(is_octal) => octal(char, rest, out),
        _ if char.is_ascii_punctuation() => {
            if !matches!(char, '<' | '>') {
                out.push('\\');
            }
            out.push(char);
        }
        _ => {
            out.push('\\');
            out.push(char);
        }
    }
}

/// Rewrites `\p{…}`, `\P{…}` or `\x{…}`, of which the letter has been read.
fn braced(letter: char, rest: &mut Chars<'_>, out: &mut String) {
    let (name, after) = rest.as_str().split_once('}').unwrap_or((rest.as_str(), ""));
    let name = name.trim_start_matches('{');
    match (letter, name.strip_prefix('^')) {
        ('p', Some(name)) => push_all(out, &["\\P{", name, "}"]),
        ('P', Some(name)) => push_all(out, &["\\p{", name, "}"]),
        _ => push_all(out, &["\\", letter.encode_utf8(&mut [0; 4]), "{", name, "}"]),
    }
    *rest = after.chars();
}

const fn perl_class(letter: char) -> &'static str {
    match letter {
        'd' | 'D' => DIGIT,
        'w' | 'W' => WORD,
        _ => SPACE,
    }
}

fn push_all(out: &mut String, parts: &[&str]) {
    out.extend(parts.iter().copied());
}

const fn is_octal(char: char) -> bool {
    matches!(char, '0'..='7')
}

/// Rewrites an octal escape of up to three digits, of which `first` has been read.
fn octal(first: char, rest: &mut Chars<'_>, out: &mut String) {
    let mut value = first.to_digit(8).unwrap_or_default();
    for _ in 0..2 {
        let Some(digit) = rest.as_str().chars().next().and_then(|char| char.to_digit(8)) else {
            break;
        };
        rest.next();
        value = value * 8 + digit;
    }
    out.push_str(&format!("\\x{{{value:x}}}"));
}

/// Whether what follows a `{` makes it a repetition; otherwise it stands for itself.
fn is_repetition(rest: &str) -> bool {
    let Some((counts, _)) = rest.split_once('}') else { return false };
    let (least, most) = counts.split_once(',').unwrap_or((counts, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !least.is_empty() && digits(least) && digits(most)
}

/// Rewrites a class whose `[` has been read.
fn class(rest: &mut Chars<'_>, out: &mut String) {
    out.push('[');
    if rest.as_str().starts_with('^') {
        rest.next();
        out.push('^');
    }
    let mut first = true;
    while let Some(char) = rest.next() {
        if char == ']' && !first {
            out.push(']');
            return;
        }
        first = false;
        if char == '[' && rest.as_str().starts_with(':') && rest.as_str().contains(":]") {
            named_class(rest, out);
            continue;
        }
        member(char, rest, out);
        // A range, unless the `-` is the last member.
        let mut ahead = rest.as_str().chars();
        if ahead.next() == Some('-') && ahead.next().is_some_and(|next| next != ']') {
            rest.next();
            out.push('-');
            if let Some(end) = rest.next() {
                member(end, rest, out);
            }
        }
    }
}

/// Copies `[:name:]`, of which the first bracket has been read.
fn named_class(rest: &mut Chars<'_>, out: &mut String) {
    if let Some((name, after)) = rest.as_str().split_once(":]") {
        push_all(out, &["[", name, ":]"]);
        *rest = after.chars();
    }
}

/// Rewrites one character of a class; the characters that have a meaning in ours only are escaped.
fn member(char: char, rest: &mut Chars<'_>, out: &mut String) {
    match char {
        '\\' => escape(rest, Where::InClass, out),
        '[' | ']' | '&' | '~' | '-' | '^' => {
            out.push('\\');
            out.push(char);
        }
        _ => out.push(char),
    }
}

#[cfg(test)]
mod tests;
