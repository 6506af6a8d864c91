//! Converters of times and durations.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::{
    compare::as_double,
    convert::{
        converter::{Accepts, Arguments, Converter, Parameter, Prepared},
        duration,
        format::Format,
    },
    error::Fault,
    value::{Operand, Time, Tree, Value, time::Civil},
};

/// Nanoseconds in a second.
const SECOND: i64 = 1_000_000_000;
/// Seconds from the start of the year 1 to the start of 1970.
const SECONDS_TO_1970: i128 = 62_135_596_800;

const DURATION: &[Parameter] = &[Parameter::new("duration", Accepts::Duration)];
const TIME: &[Parameter] = &[Parameter::new("time", Accepts::Time)];

pub(super) const TABLE: &[Converter] = &[
    Converter::new("Duration", &[Parameter::new("duration", Accepts::Text)], |arguments| {
        let text = str::from_utf8(arguments.text(0)?).ok();
        let nanos = text.and_then(duration::parse);
        let wrong = "is no duration like `1m30s`, `250ms` or `1.5h`";
        nanos.map(|nanos| Value::Duration(nanos).into()).ok_or_else(|| arguments.unusable(0, wrong))
    })
    .strict(),
    Converter::new("Hours", DURATION, |arguments| units(arguments, 3_600 * SECOND)),
    Converter::new("Minutes", DURATION, |arguments| units(arguments, 60 * SECOND)),
    Converter::new("Seconds", DURATION, |arguments| units(arguments, SECOND)),
    Converter::new("Milliseconds", DURATION, |arguments| whole(arguments, 1_000_000)),
    Converter::new("Microseconds", DURATION, |arguments| whole(arguments, 1_000)),
    Converter::new("Nanoseconds", DURATION, |arguments| whole(arguments, 1)),
    Converter::new(
        "Time",
        &[
            Parameter::new("time", Accepts::Text),
            Parameter::new("format", Accepts::TextLiteral),
            Parameter::optional("location", Accepts::TextLiteral),
            Parameter::optional("locale", Accepts::TextLiteral),
        ],
        |arguments| {
            let text = String::from_utf8_lossy(arguments.text(0)?);
            let Prepared::Format(format) = arguments.prepared else {
                return Err(arguments.unusable(1, "is no format"));
            };
            let year = now().civil().year;
            let time = format.read(&text, year);
            let wrong = "does not fit the format, or is no date that there is";
            time.map(|time| Value::Time(time).into()).ok_or_else(|| arguments.unusable(0, wrong))
        },
    )
    .preparing(prepare_time)
    .strict(),
    Converter::new(
        "FormatTime",
        &[Parameter::new("time", Accepts::Time), Parameter::new("format", Accepts::TextLiteral)],
        |arguments| {
            let time = arguments.time(0)?;
            match arguments.prepared {
                Prepared::Format(format) => Ok(Tree::text(format.write(time)).into()),
                _ => Err(arguments.unusable(1, "is no format")),
            }
        },
    )
    .preparing(|constants| format(constants.get(1))),
    Converter::new(
        "Unix",
        &[
            Parameter::new("seconds", Accepts::Int),
            Parameter::optional("nanoseconds", Accepts::Int),
        ],
        |arguments| {
            let seconds = i128::from(arguments.int(0)?);
            let nanos = match arguments.value(1) {
                Value::Nil => 0,
                _ => i128::from(arguments.int(1)?),
            };
            Ok(Value::Time(Time::of_nanos(seconds * i128::from(SECOND) + nanos, 0)).into())
        },
    ),
    Converter::new("UnixNano", TIME, |arguments| unix(arguments, 1)),
    Converter::new("UnixMicro", TIME, |arguments| unix(arguments, 1_000)),
    Converter::new("UnixMilli", TIME, |arguments| unix(arguments, 1_000_000)),
    Converter::new("UnixSeconds", TIME, |arguments| unix(arguments, i128::from(SECOND))),
    Converter::new("Year", TIME, |arguments| civil(arguments, |civil| civil.year)),
    Converter::new("Month", TIME, |arguments| civil(arguments, |civil| civil.month.into())),
    Converter::new("Day", TIME, |arguments| civil(arguments, |civil| civil.day.into())),
    Converter::new("Hour", TIME, |arguments| civil(arguments, |civil| civil.hour.into())),
    Converter::new("Minute", TIME, |arguments| civil(arguments, |civil| civil.minute.into())),
    Converter::new("Second", TIME, |arguments| civil(arguments, |civil| civil.second.into())),
    Converter::new("Weekday", TIME, |arguments| civil(arguments, |civil| civil.weekday.into())),
    Converter::new("Nanosecond", TIME, |arguments| {
        Ok(Value::Int(arguments.time(0)?.nanos.into()).into())
    }),
    Converter::new(
        "TruncateTime",
        &[Parameter::new("time", Accepts::Time), Parameter::new("duration", Accepts::Duration)],
        truncate,
    ),
    Converter::new("Now", &[], |_| Ok(Value::Time(now()).into()))
        .impure("`Now` makes that the same trace is judged otherwise at another time"),
];

fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::of_nanos(i128::try_from(since.as_nanos()).unwrap_or_default(), 0)
}

/// A duration in units, with their fractions.
fn units<'a>(arguments: Arguments<'_, 'a>, unit: i64) -> Result<Operand<'a>, Fault> {
    let nanos = arguments.duration(0)?;
    Ok(Value::Double(as_double(nanos / unit) + as_double(nanos % unit) / as_double(unit)).into())
}

/// A duration in whole units.
fn whole<'a>(arguments: Arguments<'_, 'a>, unit: i64) -> Result<Operand<'a>, Fault> {
    Ok(Value::Int(arguments.duration(0)? / unit).into())
}

/// The whole units from the start of 1970 to a time, of the low 64 bits.
#[expect(clippy::cast_possible_truncation, reason = "wraps, as it does in Go")]
fn unix<'a>(arguments: Arguments<'_, 'a>, unit: i128) -> Result<Operand<'a>, Fault> {
    Ok(Value::Int(arguments.time(0)?.nanos().div_euclid(unit) as i64).into())
}

fn civil<'a>(arguments: Arguments<'_, 'a>, part: fn(Civil) -> i64) -> Result<Operand<'a>, Fault> {
    Ok(Value::Int(part(arguments.time(0)?.civil())).into())
}

/// The last multiple of a duration since the year 1 that is not after a time.
fn truncate<'a>(arguments: Arguments<'_, 'a>) -> Result<Operand<'a>, Fault> {
    let (time, unit) = (arguments.time(0)?, i128::from(arguments.duration(1)?));
    if unit <= 0 {
        return Ok(Value::Time(time).into());
    }
    let since = time.nanos() + SECONDS_TO_1970 * i128::from(SECOND);
    Ok(Value::Time(time.plus(-since.rem_euclid(unit))).into())
}

fn format(constant: Option<&Option<Tree>>) -> Result<Prepared, String> {
    match constant {
        Some(Some(Tree::Text(text))) => {
            Format::parse(&String::from_utf8_lossy(text)).map(Prepared::Format)
        }
        _ => Ok(Prepared::Nothing),
    }
}

fn prepare_time(constants: &[Option<Tree>]) -> Result<Prepared, String> {
    for (place, known) in [(2, &["", "UTC", "Etc/UTC"]), (3, &["", "en", "en-US"])] {
        if let Some(Some(Tree::Text(name))) = constants.get(place) {
            let name = String::from_utf8_lossy(name);
            if !known.contains(&&*name) {
                let what = if place == 2 { "zone" } else { "language" };
                return Err(format!(
                    "the {what} `{name}` is not supported, only `{}`: write the zone into the text \
                     and read it with `%z`",
                    known[1]
                ));
            }
        }
    }
    format(constants.get(1))
}
