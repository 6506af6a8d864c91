//! Points in time.

/// Nanoseconds in a second.
const SECOND: i64 = 1_000_000_000;
/// The same, beside numbers that hold each time.
const NANOS: i128 = SECOND as i128;

/// A point in time, with the offset of the zone in which its calendar is read. Equality and order
/// look at the point only.
#[derive(Clone, Copy, Debug)]
pub struct Time {
    /// Whole seconds since 1970, rounded down.
    pub seconds: i64,
    /// Nanoseconds behind these, below a billion.
    pub nanos: u32,
    /// Seconds by which the zone is ahead of UTC.
    pub offset: i32,
}

impl Time {
    /// The point so many nanoseconds after the start of 1970, in UTC.
    #[must_use]
    pub fn of_unix_nanos(nanos: i64) -> Self {
        let (seconds, rest) = (nanos.div_euclid(SECOND), nanos.rem_euclid(SECOND));
        Self { seconds, nanos: u32::try_from(rest).unwrap_or_default(), offset: 0 }
    }

    /// Nanoseconds since the start of 1970.
    #[must_use]
    pub fn nanos(self) -> i128 {
        i128::from(self.seconds) * NANOS + i128::from(self.nanos)
    }

    /// The point so many nanoseconds after the start of 1970; the nearest that there is.
    pub(crate) fn of_nanos(nanos: i128, offset: i32) -> Self {
        let seconds = nanos.div_euclid(NANOS);
        let clamped = seconds.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
        Self {
            seconds: i64::try_from(clamped).unwrap_or_default(),
            nanos: u32::try_from(nanos.rem_euclid(NANOS)).unwrap_or_default(),
            offset,
        }
    }

    /// The point `duration` nanoseconds later.
    pub(crate) fn plus(self, duration: i128) -> Self {
        Self::of_nanos(self.nanos() + duration, self.offset)
    }

    /// The nanoseconds from `other` to this one; the nearest number that there is.
    pub(crate) fn since(self, other: Self) -> i64 {
        let seconds = self.seconds.checked_sub(other.seconds);
        let nanos = i64::from(self.nanos) - i64::from(other.nanos);
        let exact = seconds.and_then(|seconds| seconds.checked_mul(SECOND)?.checked_add(nanos));
        if let Some(exact) = exact {
            return exact;
        }
        let nanos = self.nanos() - other.nanos();
        let clamped = nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
        i64::try_from(clamped).unwrap_or_default()
    }
}

impl PartialEq for Time {
    fn eq(&self, other: &Self) -> bool {
        (self.seconds, self.nanos) == (other.seconds, other.nanos)
    }
}

impl Eq for Time {}

impl PartialOrd for Time {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Time {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.seconds, self.nanos).cmp(&(other.seconds, other.nanos))
    }
}

/// A time as the calendar has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    pub(crate) month: u8,
    pub(crate) day: u8,
    pub(crate) hour: u8,
    pub(crate) minute: u8,
    pub(crate) second: u8,
    /// Sunday is 0.
    pub(crate) weekday: u8,
}

/// Seconds in a day.
const DAY: i64 = 86_400;
/// Days from the start of March of the year 0 to the start of 1970.
const DAYS_TO_1970: i64 = 719_468;
/// Days in 400 years, after which the calendar repeats.
const DAYS_IN_CYCLE: i64 = 146_097;

impl Time {
    /// The date and the time of day in the zone of this time.
    pub(crate) fn civil(self) -> Civil {
        let local = self.seconds.saturating_add(i64::from(self.offset));
        let (days, rest) = (local.div_euclid(DAY), local.rem_euclid(DAY));
        // Years are counted from March, so that a leap day is the last day of a year.
        let shifted = days + DAYS_TO_1970;
        let (cycle, day_of_cycle) =
            (shifted.div_euclid(DAYS_IN_CYCLE), shifted.rem_euclid(DAYS_IN_CYCLE));
        let leap_days = day_of_cycle / 1_460 - day_of_cycle / 36_524 + day_of_cycle / 146_096;
        let year_of_cycle = (day_of_cycle - leap_days) / 365;
        let day_of_year =
            day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_cycle + cycle * 400 + i64::from(month <= 2);
        let small = |number: i64| u8::try_from(number).unwrap_or_default();
        Civil {
            year,
            month: small(month),
            day: small(day),
            hour: small(rest / 3_600),
            minute: small(rest / 60 % 60),
            second: small(rest % 60),
            weekday: small((days + 4).rem_euclid(7)),
        }
    }
}

/// Days from the start of 1970 to a date; `None` when there is no such day.
pub(crate) fn days_of_date(year: i64, month: u8, day: u8) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u8::from(leap),
        _ => return None,
    };
    if !(1..=length).contains(&day) || !(-10_000..=10_000).contains(&year) {
        return None;
    }
    let year = year - i64::from(month <= 2);
    let (cycle, year_of_cycle) = (year.div_euclid(400), year.rem_euclid(400));
    let month_from_march = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_cycle = year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 + day_of_year;
    Some(cycle * DAYS_IN_CYCLE + day_of_cycle - DAYS_TO_1970)
}
