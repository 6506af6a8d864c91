//! The parts of a URL.

use crate::value::{Tree, Value};

/// The parts of a URL by their names in the semantic conventions; `None` of a text that is none.
pub(super) fn parts(text: &str) -> Option<Tree> {
    let has_control = text.bytes().any(|byte| byte.is_ascii_control());
    if text.is_empty() || has_control || !has_whole_escapes(text) {
        return None;
    }
    let (rest, fragment) = text.split_once('#').map_or((text, ""), |(rest, part)| (rest, part));
    let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, part)| (rest, part));
    let (scheme, rest) = scheme(rest)?;
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find('/').unwrap_or(rest.len());
            rest.split_at_checked(end)?
        }
        None => ("", rest),
    };
    let (user, host) =
        authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    let (domain, port) = domain_and_port(host)?;
    let mut entries: Vec<(Vec<u8>, Tree)> = Vec::new();
    let mut put = |name: &str, value: Tree| entries.push((name.into(), value));
    put("url.original", Tree::text(text));
    put("url.domain", Tree::text(domain));
    put("url.scheme", Tree::text(scheme.to_ascii_lowercase()));
    put("url.path", Tree::text(unescaped(path)));
    if let Some(port) = port {
        put("url.port", Tree::Plain(Value::Int(port)));
    }
    if !fragment.is_empty() {
        put("url.fragment", Tree::text(unescaped(fragment)));
    }
    if !query.is_empty() {
        put("url.query", Tree::text(query));
    }
    if let Some((_, extension)) = path.rsplit('/').next().and_then(|name| name.rsplit_once('.')) {
        put("url.extension", Tree::text(extension));
    }
    if let Some(user) = user {
        put("url.user_info", Tree::text(user));
        let (name, password) =
            user.split_once(':').map_or((user, None), |(name, password)| (name, Some(password)));
        put("url.username", Tree::text(unescaped(name)));
        if let Some(password) = password {
            put("url.password", Tree::text(unescaped(password)));
        }
    }
    Some(Tree::map(entries))
}

/// The scheme, empty without one, and the rest.
fn scheme(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|char: char| !char.is_ascii_alphanumeric() && !"+-.".contains(char));
    match end.and_then(|end| text.split_at_checked(end)) {
        Some(("", rest)) => (!rest.starts_with(':')).then_some(("", text)),
        Some((scheme, rest)) => match rest.strip_prefix(':') {
            Some(rest) if scheme.starts_with(|char: char| char.is_ascii_alphabetic()) => {
                Some((scheme, rest))
            }
            Some(_) => None,
            None => Some(("", text)),
        },
        None => Some(("", text)),
    }
}

fn domain_and_port(host: &str) -> Option<(&str, Option<i64>)> {
    let (domain, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let (domain, rest) = rest.split_once(']')?;
            (domain, rest.strip_prefix(':'))
        }
        None => host.rsplit_once(':').map_or((host, None), |(host, port)| (host, Some(port))),
    };
    if domain.contains(' ') {
        return None;
    }
    match port.filter(|port| !port.is_empty()) {
        None => Some((domain, None)),
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some((domain, Some(port.parse().ok()?)))
        }
        Some(_) => None,
    }
}

/// Whether each `%` has its two digits.
fn has_whole_escapes(text: &str) -> bool {
    let digits = |rest: &str| {
        rest.as_bytes().get(..2).is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit))
    };
    text.split('%').skip(1).all(digits)
}

/// The text with its escapes replaced.
fn unescaped(text: &str) -> Vec<u8> {
    let mut parts = text.split('%');
    let mut out: Vec<u8> = parts.next().unwrap_or_default().into();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        out.extend(u8::from_str_radix(digits, 16).ok());
        out.extend_from_slice(rest.as_bytes());
    }
    out
}
