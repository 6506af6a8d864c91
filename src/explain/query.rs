//! What is asked for in a URL.

use wholetrace_proto::id::TraceId;
use wholetrace_runtime::clock::unix_millis;
use wholetrace_sampler::explain::Selection;
use wholetrace_spanlog::LogTime;

use crate::moment;

/// How far back the latest decisions are looked for where nobody says, in milliseconds.
const SINCE: u64 = 900_000;

/// How many are given where nobody says, and at most.
const LIMIT: usize = 100;
const MOST: usize = 1_000;

/// The trace id that `text` is: 32 hexadecimal digits, or 16, which are the low half.
///
/// # Errors
/// When it is none.
pub(super) fn trace_id(text: &str) -> Result<TraceId, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = match text.len() {
        16 | 32 if digits => u128::from_str_radix(text, 16).ok(),
        _ => None,
    };
    match id {
        Some(id) if id > 0 => Ok(TraceId(id.to_be_bytes())),
        _ => Err(format!("`{text}` is no trace id: take 32 hexadecimal digits, or 16, not all 0")),
    }
}

/// The decisions that a query asks for.
///
/// # Errors
/// When a part of it is not known, or says what cannot be meant.
pub(super) fn selection(query: &str) -> Result<Selection, String> {
    let mut selection = Selection {
        service: None,
        kept: None,
        policy: None,
        since: LogTime(unix_millis().saturating_sub(SINCE)),
        most: LIMIT,
    };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decoded(value)
            .ok_or_else(|| format!("the value of `{name}` is not encoded as in a URL"))?;
        match name {
            // As forms send what was left open.
            _ if value.is_empty() => {}
            "service" => selection.service = Some(value),
            "policy" => selection.policy = Some(value),
            "verdict" => selection.kept = Some(kept(&value)?),
            "since" => selection.since = LogTime(moment::parse(&value)?),
            "limit" => selection.most = limit(&value)?,
            _ => {
                return Err(format!(
                    "`{name}` is not known: take `service`, `verdict`, `policy`, `since` and `limit`"
                ));
            }
        }
    }
    Ok(selection)
}

fn kept(verdict: &str) -> Result<bool, String> {
    match verdict {
        "kept" => Ok(true),
        "not_sampled" | "dropped" => Ok(false),
        _ => Err(format!("`verdict` is `{verdict}`: take `kept` or `not_sampled`")),
    }
}

fn limit(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(limit) if (1..=MOST).contains(&limit) => Ok(limit),
        _ => Err(format!("`limit` is `{text}`: take a number from 1 to {MOST}")),
    }
}

/// A value of a query without its escapes; `None` where they are none, or are no text.
fn decoded(value: &str) -> Option<String> {
    let mut bytes = value.bytes();
    let mut plain = Vec::with_capacity(value.len());
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_ids_have_one_of_two_lengths() {
        let id = trace_id("4BF92F3577b34da6a3ce929d0e0e4736").unwrap();
        assert_eq!(id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(trace_id("a3ce929d0e0e4736").unwrap().key(), id.key());
        for wrong in ["", "0", "a3ce929d0e0e473", "+3ce929d0e0e4736", "0000000000000000"] {
            let error = trace_id(wrong).unwrap_err();
            assert!(error.contains(&format!("`{wrong}`")) && error.contains("32"), "{error}");
        }
    }

    #[test]
    fn a_query_chooses() {
        let all = selection("").unwrap();
        assert_eq!((all.kept, all.most), (None, LIMIT));
        assert!(all.since.0 + SINCE <= unix_millis());
        let query = "service=a%26b+c&verdict=kept&policy=errors&since=2026-01-31T08:00:00Z&limit=7";
        let chosen = selection(query).unwrap();
        let expected = Selection {
            service: Some("a&b c".to_owned()),
            kept: Some(true),
            policy: Some("errors".to_owned()),
            since: LogTime(1_769_846_400_000),
            most: 7,
        };
        assert_eq!(chosen, expected);
        assert_eq!(selection("verdict=dropped&service=").unwrap().kept, Some(false));
        for (wrong, said) in [
            ("verdict=maybe", "`kept` or `not_sampled`"),
            ("limit=0", "from 1 to 1000"),
            ("limit=1001", "from 1 to 1000"),
            ("since=then", "is no time"),
            ("polic=x", "`polic` is not known"),
            ("policy=%4", "not encoded"),
            ("policy=%ff", "not encoded"),
        ] {
            let error = selection(wrong).unwrap_err();
            assert!(error.contains(said), "{wrong}: {error}");
        }
    }
}
