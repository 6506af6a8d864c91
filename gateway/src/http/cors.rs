//! Cross-origin requests: which pages may send spans from a browser.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::config::http::CorsConfig;

/// The layer that answers preflights and marks answers, by `config`.
pub(crate) fn layer(config: &CorsConfig) -> CorsLayer {
    let patterns = config.allowed_origins.clone();
    let origin = AllowOrigin::predicate(move |origin: &HeaderValue, _| {
        patterns.iter().any(|pattern| matches(pattern.as_bytes(), origin.as_bytes()))
    });
    let layer = CorsLayer::new()
        .allow_origin(origin)
        // Beacons of browsers come with credentials, whether or not anybody reads them. The origin is
        // named in the answer, never `*`, as that asks for.
        .allow_credentials(true)
        .allow_methods([Method::POST])
        .allow_headers(headers(&config.allowed_headers));
    match config.max_age {
        0 => layer,
        seconds => layer.max_age(Duration::from_secs(u64::from(seconds))),
    }
}

fn headers(allowed: &[String]) -> AllowHeaders {
    if allowed.iter().any(|name| name == "*") {
        return AllowHeaders::mirror_request();
    }
    let always =
        [header::CONTENT_TYPE, header::CONTENT_ENCODING, HeaderName::from_static("traceparent")];
    AllowHeaders::list(
        always.into_iter().chain(allowed.iter().filter_map(|name| name.parse().ok())),
    )
}

/// Whether `text` is `pattern`, in which `*` stands for any run of bytes. Takes time in proportion
/// to the product of their lengths at worst; patterns are the configuration's.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while from < text.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at + 1, from));
            at += 1;
        } else if pattern.get(at).is_some_and(|byte| Some(byte) == text.get(from)) {
            (at, from) = (at + 1, from + 1);
        } else if let Some((after, since)) = star {
            // The last star takes one byte more.
            star = Some((after, since + 1));
            (at, from) = (after, since + 1);
        } else {
            return false;
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_is_any_run() {
        for (pattern, origin, same) in [
            ("*", "https://a.example", true),
            ("https://a.example", "https://a.example", true),
            ("https://a.example", "https://a.example.evil", false),
            ("https://*.example", "https://a.b.example", true),
            ("https://*.example", "http://a.example", false),
            ("https://*.example:*", "https://a.example:8443", true),
            ("https://*a*b", "https://xaxxbxb", true),
            ("", "https://a.example", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), origin.as_bytes()), same, "{pattern} {origin}");
        }
    }
}
