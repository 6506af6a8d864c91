//! Moments as people write them, and as they are told.

use jiff::Timestamp;
use wholetrace_runtime::{clock::unix_millis, units::HumanDuration};

/// The moment that `text` means, in milliseconds since the Unix epoch: 2026-01-31T08:00:00Z, or 24h for
/// a day ago.
///
/// # Errors
/// When it is neither.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    if let Ok(ago) = text.parse::<HumanDuration>() {
        return Ok(unix_millis().saturating_sub(ago.as_millis()));
    }
    let moment: Timestamp = text.parse().map_err(|_| {
        format!("`{text}` is no time: take one as 2026-01-31T08:00:00Z, or 24h for a day ago")
    })?;
    Ok(u64::try_from(moment.as_millisecond()).unwrap_or(0))
}

/// A moment in milliseconds since the Unix epoch, as 2026-01-31T08:00:00.000Z.
pub(crate) fn tell(millis: u64) -> String {
    let millis = i64::try_from(millis).unwrap_or(i64::MAX);
    let moment = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX);
    format!("{moment:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_they_are_told() {
        let moment = 1_760_000_000_123;
        assert_eq!(tell(moment), "2025-10-09T08:53:20.123Z");
        assert_eq!(parse(&tell(moment)), Ok(moment));
        let (now, day) = (unix_millis(), 24 * 3_600_000);
        assert!(parse("24h").is_ok_and(|ago| ago + day >= now && ago + day <= unix_millis()));
        assert!(parse("yesterday").is_err_and(|error| error.contains("`yesterday` is no time")));
        assert!(tell(u64::MAX).starts_with("9999-"));
    }
}
