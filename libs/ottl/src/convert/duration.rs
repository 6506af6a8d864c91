//! Durations as Go writes them.

/// Nanoseconds of a text like `1h30m`, `1.5s` or `-250ms`; `None` of a text that is none, or above
/// some 292 years.
pub(super) fn parse(text: &str) -> Option<i64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let sign = if text.starts_with('-') { -1 } else { 1 };
    if unsigned == "0" {
        return Some(0);
    }
    let mut nanos = 0_i128;
    let mut rest = unsigned;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let end = after.find(|char: char| char == '.' || char.is_ascii_digit());
        let (unit, after) = after.split_at_checked(end.unwrap_or(after.len()))?;
        let unit = unit_of(unit)?;
        let whole = if whole.is_empty() { 0 } else { whole.parse::<i64>().ok()? };
        nanos = nanos.checked_add(i128::from(whole) * unit)?.checked_add(part(fraction, unit))?;
        rest = after;
    }
    i64::try_from(sign * nanos).ok()
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// The nanoseconds of decimal places of a unit, rounded down.
fn part(fraction: &str, unit: i128) -> i128 {
    // More places than these make no nanosecond of an hour.
    let (mut nanos, mut scale) = (0_i128, 1_i128);
    for digit in fraction.bytes().take(18) {
        nanos = nanos * 10 + i128::from(digit - b'0');
        scale *= 10;
    }
    nanos * unit / scale
}

fn unit_of(name: &str) -> Option<i128> {
    Some(match name {
        "ns" => 1,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}
