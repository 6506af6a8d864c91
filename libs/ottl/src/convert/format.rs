//! Times as text, by formats of directives like `%Y-%m-%d`.

use std::fmt::Write;

use crate::value::{
    Time,
    time::{Civil, days_of_date},
};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
/// Seconds in a day.
const DAY: i64 = 86_400;

/// A format of times.
#[derive(Clone, Debug)]
pub(crate) struct Format(Box<[Item]>);

#[derive(Clone, Copy, Debug)]
enum Item {
    Literal(char),
    Directive(char),
}

/// What a text tells of a time.
#[derive(Default)]
struct Parts {
    year: Option<i64>,
    month: Option<u8>,
    day: Option<u8>,
    hour: u8,
    twelve: bool,
    afternoon: Option<bool>,
    minute: u8,
    second: u8,
    nanos: u32,
    offset: i32,
}

impl Format {
    /// The format that a text writes, or what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut items = Vec::new();
        let mut rest = text.chars();
        while let Some(char) = rest.next() {
            if char != '%' {
                items.push(Item::Literal(char));
                continue;
            }
            let directive = rest.next();
            match directive {
                Some('D' | 'x') => items.extend(several("m/d/Y")),
                Some('F') => items.extend(several("Y-m-d")),
                Some('T' | 'X') => items.extend(several("H:M:S")),
                Some('r') => items.extend(several("I:M:S p")),
                Some('R') => items.extend(several("H:M")),
                Some('c') => items.extend(several("a b d H:M:S Y")),
                Some('n') => items.push(Item::Literal('\n')),
                Some('t') => items.push(Item::Literal('\t')),
                Some('%') => items.push(Item::Literal('%')),
                Some(known) if "YymoqbhBdegaAHIlpPMSLfsZzijkw".contains(known) => {
                    items.push(Item::Directive(known));
                }
                Some(other) => return Err(format!("there is no directive `%{other}`")),
                None => return Err("the format ends with a `%`".to_owned()),
            }
        }
        Ok(Self(items.into()))
    }

    /// The time that a text writes; one without a year is of `year`, one without a zone in UTC.
    pub(super) fn read(&self, text: &str, year: i64) -> Option<Time> {
        let mut parts = Parts::default();
        let mut rest = text;
        let mut items = self.0.iter().peekable();
        while let Some(item) = items.next() {
            match item {
                Item::Literal(char) => rest = rest.strip_prefix(*char)?,
                Item::Directive(directive) => {
                    rest = parts.read(*directive, rest)?;
                    // A fraction of the second may follow although the format does not name it.
                    let literal = matches!(items.peek(), Some(Item::Literal('.' | ',')));
                    if *directive == 'S' && !literal {
                        rest = parts.read_fraction(rest);
                    }
                }
            }
        }
        rest.is_empty().then_some(())?;
        parts.time(year)
    }

    /// The time as text.
    pub(super) fn write(&self, time: Time) -> String {
        let civil = time.civil();
        let mut out = String::new();
        for item in &self.0 {
            match item {
                Item::Literal(char) => out.push(*char),
                // Writing into a text cannot fail.
                Item::Directive(directive) => {
                    let _ = write(*directive, time, civil, &mut out);
                }
            }
        }
        out
    }
}

/// Directives by their letters, and what stands between them.
fn several(letters: &str) -> impl Iterator<Item = Item> {
    letters.chars().map(|char| {
        if char.is_ascii_alphabetic() { Item::Directive(char) } else { Item::Literal(char) }
    })
}

/// A number of `least` to `most` digits, and the rest.
fn number(text: &str, least: usize, most: usize) -> Option<(u32, &str)> {
    let count = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at_checked(count)?;
    (count >= least).then_some(())?;
    Some((digits.parse().ok()?, rest))
}

/// The place of the name that `text` starts with, and the rest. Names count whole, or by their
/// first three letters.
fn name<'t>(text: &'t str, names: &[&str], short: bool) -> Option<(u8, &'t str)> {
    for (index, name) in (0_u8..).zip(names) {
        let name = if short { name.get(..3)? } else { name };
        if text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)) {
            return Some((index, text.get(name.len()..)?));
        }
    }
    None
}

impl Parts {
    /// Reads what a directive stands for; the rest.
    fn read<'t>(&mut self, directive: char, text: &'t str) -> Option<&'t str> {
        let small = |least: usize, text: &'t str| -> Option<(u8, &'t str)> {
            let (number, rest) = number(text, least, 2)?;
            Some((u8::try_from(number).ok()?, rest))
        };
        let spaced = |text: &'t str| small(1, text.strip_prefix(' ').unwrap_or(text));
        let rest;
        match directive {
            'Y' => {
                let (year, after) = number(text, 4, 4)?;
                (self.year, rest) = (Some(year.into()), after);
            }
            'y' => {
                let (year, after) = number(text, 2, 2)?;
                let century = if year >= 69 { 1900 } else { 2000 };
                (self.year, rest) = (Some(century + i64::from(year)), after);
            }
            'm' | 'o' | 'q' => {
                let (month, after) = if directive == 'm' { small(2, text)? } else { spaced(text)? };
                (self.month, rest) = (Some(month), after);
            }
            'b' | 'h' | 'B' => {
                let (month, after) = name(text, &MONTHS, directive != 'B')?;
                (self.month, rest) = (Some(month + 1), after);
            }
            'd' | 'e' | 'g' => {
                let (day, after) = if directive == 'd' { small(2, text)? } else { spaced(text)? };
                (self.day, rest) = (Some(day), after);
            }
            'a' | 'A' => (_, rest) = name(text, &DAYS, directive == 'a')?,
            'H' => (self.hour, rest) = small(2, text).filter(|(hour, _)| *hour < 24)?,
            'I' | 'l' => {
                let least = if directive == 'I' { 2 } else { 1 };
                (self.hour, rest) = small(least, text).filter(|(hour, _)| *hour <= 12)?;
                self.twelve = true;
            }
            'p' | 'P' => {
                let (half, after) = text.split_at_checked(2)?;
                let names = if directive == 'p' { ["AM", "PM"] } else { ["am", "pm"] };
                self.afternoon = Some(names.iter().position(|one| *one == half)? == 1);
                rest = after;
            }
            'M' => (self.minute, rest) = small(2, text).filter(|(minute, _)| *minute < 60)?,
            'S' => (self.second, rest) = small(2, text).filter(|(second, _)| *second < 60)?,
            'L' | 'f' | 's' => {
                let (_, after) = number(text, 1, 9)?;
                self.nanos = fraction(text.get(..text.len() - after.len())?)?;
                rest = after;
            }
            'Z' => {
                let end = text.find(|char: char| !char.is_ascii_uppercase()).unwrap_or(text.len());
                let (zone, after) = text.split_at_checked(end)?;
                // Other abbreviations have no certain offset: they count as UTC.
                (3..=4).contains(&zone.len()).then_some(())?;
                rest = after;
            }
            _ => (self.offset, rest) = offset(directive, text)?,
        }
        Some(rest)
    }

    /// Reads `.` or `,` and digits, if they are there.
    fn read_fraction<'t>(&mut self, text: &'t str) -> &'t str {
        let Some(after) = text.strip_prefix(['.', ',']) else { return text };
        let count = after.bytes().take_while(u8::is_ascii_digit).count();
        match after.split_at_checked(count) {
            Some((digits, rest)) if count > 0 => {
                self.nanos = fraction(digits.get(..count.min(9)).unwrap_or(digits)).unwrap_or(0);
                rest
            }
            _ => text,
        }
    }

    fn time(&self, year: i64) -> Option<Time> {
        let days = days_of_date(
            self.year.unwrap_or(year),
            self.month.unwrap_or(1),
            self.day.unwrap_or(1),
        )?;
        let hour = match (self.twelve, self.afternoon, self.hour) {
            (_, Some(true), hour @ ..12) => hour + 12,
            (_, Some(false), 12) => 0,
            (_, _, hour) => hour,
        };
        let clock = i64::from(hour) * 3_600 + i64::from(self.minute) * 60 + i64::from(self.second);
        let seconds = days * DAY + clock - i64::from(self.offset);
        Some(Time { seconds, nanos: self.nanos, offset: self.offset })
    }
}

/// The nanoseconds of up to nine decimal places.
fn fraction(digits: &str) -> Option<u32> {
    let places = u32::try_from(digits.len()).ok()?;
    digits.parse::<u32>().ok()?.checked_mul(10_u32.checked_pow(9_u32.checked_sub(places)?)?)
}

/// The offset of a zone in seconds, by the form that the directive has, and the rest.
fn offset(directive: char, text: &str) -> Option<(i32, &str)> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let two = |text| number(text, 2, 2);
    let (hours, mut rest) = two(text.get(1..)?)?;
    let (mut minutes, mut seconds) = (0, 0);
    let colon = matches!(directive, 'j' | 'k');
    if directive != 'i' {
        rest = if colon { rest.strip_prefix(':')? } else { rest };
        (minutes, rest) = two(rest)?;
    }
    if matches!(directive, 'k' | 'w') {
        rest = if colon { rest.strip_prefix(':')? } else { rest };
        (seconds, rest) = two(rest)?;
    }
    (hours <= 24 && minutes < 60 && seconds < 60).then_some(())?;
    let offset = i32::try_from(hours * 3_600 + minutes * 60 + seconds).ok()?;
    Some((sign * offset, rest))
}

fn write(directive: char, time: Time, civil: Civil, out: &mut String) -> std::fmt::Result {
    let Civil { year, month, day, hour, minute, second, weekday } = civil;
    let twelve = if hour % 12 == 0 { 12 } else { hour % 12 };
    let name = |names: &[&'static str], index: u8| names.get(usize::from(index)).copied();
    let month_name = name(&MONTHS, month.wrapping_sub(1)).unwrap_or_default();
    let day_name = name(&DAYS, weekday).unwrap_or_default();
    let short = |name: &'static str| name.get(..3).unwrap_or(name);
    let sign = if time.offset < 0 { '-' } else { '+' };
    let seconds = time.offset.abs();
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match directive {
        'Y' => write!(out, "{year:04}"),
        'y' => write!(out, "{:02}", year.rem_euclid(100)),
        'm' => write!(out, "{month:02}"),
        'o' => write!(out, "{month:2}"),
        'q' => write!(out, "{month}"),
        'b' | 'h' => out.write_str(short(month_name)),
        'B' => out.write_str(month_name),
        'd' => write!(out, "{day:02}"),
        'e' => write!(out, "{day:2}"),
        'g' => write!(out, "{day}"),
        'a' => out.write_str(short(day_name)),
        'A' => out.write_str(day_name),
        'H' => write!(out, "{hour:02}"),
        'I' => write!(out, "{twelve:02}"),
        'l' => write!(out, "{twelve}"),
        'p' => out.write_str(if hour < 12 { "AM" } else { "PM" }),
        'P' => out.write_str(if hour < 12 { "am" } else { "pm" }),
        'M' => write!(out, "{minute:02}"),
        'S' => write!(out, "{second:02}"),
        'L' => write!(out, "{:03}", time.nanos / 1_000_000),
        'f' => write!(out, "{:06}", time.nanos / 1_000),
        's' => write!(out, "{:09}", time.nanos),
        'Z' => out.write_str("UTC"),
        'i' => write!(out, "{sign}{hours:02}"),
        'j' => write!(out, "{sign}{hours:02}:{minutes:02}"),
        'k' => write!(out, "{sign}{hours:02}:{minutes:02}:{rest:02}"),
        'w' => write!(out, "{sign}{hours:02}{minutes:02}{rest:02}"),
        _ => write!(out, "{sign}{hours:02}{minutes:02}"),
    }
}
