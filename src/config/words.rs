//! What serde says of a value that does not fit, in words for people.

/// Whether `message` says that text is wanted.
pub(super) fn want_text(message: &str) -> bool {
    mismatch(message.trim_end_matches('.')).is_some_and(|(_, wanted)| is_text(wanted))
}

fn is_text(wanted: &str) -> bool {
    ["a string", "string", PATH].contains(&wanted)
}

/// What is wrong with a value of which serde says `message`.
pub(super) fn of(message: &str) -> String {
    let message = message.trim_end_matches('.');
    if let Some((found, wanted)) = mismatch(message) {
        return format!("{} does not fit: {}", found_in_words(found), wanted_in_words(wanted));
    }
    if let Some(rest) = message.strip_prefix("missing field ") {
        return format!("{rest} is missing");
    }
    if let Some(rest) = message.strip_prefix("unknown variant ")
        && let Some((found, known)) = rest.split_once(", expected ")
    {
        let known = known.trim_start_matches("one of ");
        return format!("{found} is not known: there is {known}");
    }
    message.to_owned()
}

/// What to do about it, where that does not follow.
pub(super) fn hint(message: &str) -> Option<String> {
    let (found, wanted) = mismatch(message.trim_end_matches('.'))?;
    let word = found.strip_prefix("string ").map(|word| word.trim_matches('"'));
    match (word, wanted) {
        (Some(word), "a boolean") => {
            let meant = match word.to_ascii_lowercase().as_str() {
                "yes" | "y" | "on" => "true",
                "no" | "n" | "off" => "false",
                _ => return None,
            };
            Some(format!("write `{meant}`: `{word}` is text here, as it is for a Collector"))
        }
        (None, wanted) if is_text(wanted) && is_scalar(found) => {
            Some("put it in quotes if text is meant".to_owned())
        }
        _ => None,
    }
}

/// What was found and what was wanted.
fn mismatch(message: &str) -> Option<(&str, &str)> {
    let rest = message.strip_prefix("invalid type: ");
    rest.or_else(|| message.strip_prefix("invalid value: "))?.split_once(", expected ")
}

fn is_scalar(found: &str) -> bool {
    ["integer", "floating point", "boolean"].iter().any(|kind| found.starts_with(kind))
}

fn found_in_words(found: &str) -> String {
    if let Some(text) = found.strip_prefix("string ") {
        return format!("the text `{}`", text.trim_matches('"'));
    }
    for kind in ["integer ", "floating point ", "boolean ", "character "] {
        if let Some(value) = found.strip_prefix(kind) {
            return value.to_owned();
        }
    }
    match found {
        "null" | "unit value" | "Option value" => "no value".to_owned(),
        "sequence" => "a list".to_owned(),
        "map" => "a section".to_owned(),
        other => other.to_owned(),
    }
}

fn wanted_in_words(wanted: &str) -> String {
    let whole = |lowest: &str, highest: &str| format!("a whole number from {lowest} to {highest}");
    let thing = match wanted {
        "a boolean" => "`true` or `false`".to_owned(),
        "a string" | "string" | PATH => "text".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "u8" => whole("0", &u8::MAX.to_string()),
        "u16" => whole("0", &u16::MAX.to_string()),
        "u32" => whole("0", &u32::MAX.to_string()),
        "u64" | "usize" => "a whole number from 0 on".to_owned(),
        "i32" => whole(&i32::MIN.to_string(), &i32::MAX.to_string()),
        "i64" | "isize" => "a whole number".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a section with keys".to_owned(),
        _ if wanted.starts_with("struct ") => "a section with keys".to_owned(),
        _ if wanted.starts_with("enum ") => "a word".to_owned(),
        // In words already.
        other => return format!("expected {other}"),
    };
    format!("{thing} is wanted")
}

/// What serde calls the text of a path.
const PATH: &str = "path string";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_type_of_the_program_is_said() {
        for (message, said) in [
            (
                "invalid type: string \"ten\", expected f64",
                "the text `ten` does not fit: a number is wanted",
            ),
            ("invalid type: integer `5`, expected a string", "`5` does not fit: text is wanted"),
            (
                "invalid type: boolean `true`, expected u16",
                "`true` does not fit: a whole number from 0 to 65535 is wanted",
            ),
            (
                "invalid value: integer `-1`, expected u64",
                "`-1` does not fit: a whole number from 0 on is wanted",
            ),
            (
                "invalid type: sequence, expected struct PolicyConfig",
                "a list does not fit: a section with keys is wanted",
            ),
            (
                "invalid type: null, expected a boolean",
                "no value does not fit: `true` or `false` is wanted",
            ),
            ("missing field `name`", "`name` is missing"),
            (
                "unknown variant `xz`, expected one of `gzip`, `zstd`",
                "`xz` is not known: there is `gzip`, `zstd`",
            ),
            ("`x` is not a duration", "`x` is not a duration"),
        ] {
            assert_eq!(of(message), said);
        }
    }

    #[test]
    fn words_of_old_yaml_are_explained() {
        for (word, meant) in [("yes", "true"), ("Off", "false"), ("n", "false")] {
            let message = format!("invalid type: string \"{word}\", expected a boolean");
            let hint = hint(&message).unwrap();
            assert!(hint.contains(&format!("write `{meant}`")), "{hint}");
        }
        assert_eq!(hint("invalid type: string \"maybe\", expected a boolean"), None);
        assert!(hint("invalid type: integer `5`, expected a string").unwrap().contains("quotes"));
    }
}
