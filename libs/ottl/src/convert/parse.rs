//! Converters that read a structure out of a text.

use std::{
    fmt::Write,
    net::{IpAddr, Ipv6Addr},
};

use crate::{
    convert::{
        coerce,
        converter::{Accepts, Arguments, Converter, Network, Parameter, Prepared},
        text::prepare_pattern,
        url,
    },
    error::Fault,
    value::{Operand, Tree, Value},
};

const TARGET: Parameter = Parameter::new("target", Accepts::Text);

pub(super) const TABLE: &[Converter] = &[
    Converter::new("ParseInt", &[TARGET, Parameter::new("base", Accepts::Int)], parse_int),
    Converter::new("ParseJSON", &[TARGET], |arguments| {
        let parsed = serde_json::from_slice(arguments.text(0)?);
        match parsed.map_err(|_| arguments.unusable(0, "is no JSON"))? {
            json @ (serde_json::Value::Array(_) | serde_json::Value::Object(_)) => {
                Ok(of_json(json).into())
            }
            _ => Err(arguments.unusable(0, "is neither an object nor an array")),
        }
    }),
    Converter::new("URL", &[TARGET], |arguments| {
        let text = str::from_utf8(arguments.text(0)?).ok();
        let parts = text.and_then(url::parts);
        parts.map(Into::into).ok_or_else(|| arguments.unusable(0, "is no URL"))
    }),
    Converter::new(
        "ExtractPatterns",
        &[TARGET, Parameter::new("pattern", Accepts::Text)],
        extract_patterns,
    )
    .preparing(|constants| {
        let prepared = prepare_pattern(constants.get(1))?;
        match &prepared {
            Prepared::Pattern(pattern) if pattern.capture_names().flatten().next().is_none() => {
                Err("the pattern has no named group".to_owned())
            }
            _ => Ok(prepared),
        }
    }),
    Converter::new(
        "IsInCIDR",
        &[TARGET, Parameter::new("networks", Accepts::ListLiteral)],
        is_in_cidr,
    )
    .preparing(|constants| match constants.get(1) {
        Some(Some(list)) => prepare_networks(list.view()),
        _ => Ok(Prepared::Nothing),
    }),
    Converter::new("Log", &[Parameter::new("target", Accepts::Any)], |arguments| {
        let number = coerce::double(arguments.value(0)).ok().flatten();
        match number {
            Some(number) if number > 0.0 => Ok(Value::Double(number.ln()).into()),
            _ => Err(arguments.unusable(0, "is no number above 0")),
        }
    }),
    Converter::new("IsValidLuhn", &[Parameter::new("target", Accepts::Any)], |arguments| {
        let text = arguments.text_like(0)?;
        let text = text.ok_or_else(|| arguments.must_be(0, "a text of digits"))?;
        if !text.iter().all(u8::is_ascii_digit) {
            return Err(arguments.unusable(0, "is no text of digits"));
        }
        let sum: u32 = (0_usize..)
            .zip(text.iter().rev())
            .map(|(place, digit)| match (u32::from(digit - b'0'), place % 2) {
                (digit, 0) => digit,
                (digit, _) => digit * 2 / 10 + digit * 2 % 10,
            })
            .sum();
        Ok(Value::Bool(!text.is_empty() && sum.is_multiple_of(10)).into())
    }),
];

/// A whole number in a base of 2 to 36; base 0 takes it from the prefix.
fn parse_int<'a>(arguments: Arguments<'_, 'a>) -> Result<Operand<'a>, Fault> {
    let wrong = || arguments.unusable(0, "is no integer of this base");
    let text = str::from_utf8(arguments.text(0)?).map_err(|_| wrong())?;
    let base = u32::try_from(arguments.int(1)?).ok();
    let base = base.filter(|base| matches!(base, 0 | 2..=36));
    let base = base.ok_or_else(|| arguments.unusable(1, "is not 0 or 2 to 36"))?;
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => ("-", text.get(1..).unwrap_or_default()),
        Some(b'+') => ("", text.get(1..).unwrap_or_default()),
        _ => ("", text),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, digits) = match (base, lower.as_bytes()) {
        (0, [b'0', b'x', ..]) => (16, lower.get(2..).unwrap_or_default().replace('_', "")),
        (0, [b'0', b'b', ..]) => (2, lower.get(2..).unwrap_or_default().replace('_', "")),
        (0, [b'0', b'o', ..]) => (8, lower.get(2..).unwrap_or_default().replace('_', "")),
        (0, [b'0', _, ..]) => (8, lower.get(1..).unwrap_or_default().replace('_', "")),
        (0, _) => (10, lower.replace('_', "")),
        (base, _) => (base, lower),
    };
    if digits.starts_with(['+', '-']) {
        return Err(wrong());
    }
    let mut signed = String::from(sign);
    signed.push_str(&digits);
    let number = i64::from_str_radix(&signed, base).map_err(|_| wrong())?;
    Ok(Value::Int(number).into())
}

/// JSON as a value: all numbers are floating-point.
fn of_json(json: serde_json::Value) -> Tree {
    match json {
        serde_json::Value::Null => Tree::Plain(Value::Empty),
        serde_json::Value::Bool(value) => Tree::Plain(Value::Bool(value)),
        serde_json::Value::Number(number) => {
            Tree::Plain(Value::Double(number.as_f64().unwrap_or_default()))
        }
        serde_json::Value::String(text) => Tree::text(text),
        serde_json::Value::Array(items) => Tree::list(items.into_iter().map(of_json).collect()),
        serde_json::Value::Object(entries) => {
            let entries = entries.into_iter().map(|(key, entry)| (key.into(), of_json(entry)));
            Tree::map(entries.collect())
        }
    }
}

fn extract_patterns<'a>(arguments: Arguments<'_, 'a>) -> Result<Operand<'a>, Fault> {
    let text = arguments.text(0)?;
    let pattern = arguments.pattern(1)?;
    let mut entries = Vec::new();
    if let Some(found) = pattern.captures(text) {
        for (group, name) in pattern.capture_names().enumerate() {
            if let Some(name) = name {
                let part = found.get(group).map_or(&b""[..], |part| part.as_bytes());
                entries.push((name.into(), Tree::text(part)));
            }
        }
    }
    Ok(Tree::map(entries).into())
}

/// The networks of a list of texts.
fn prepare_networks(list: Value<'_>) -> Result<Prepared, String> {
    let items = list.items().into_iter().flatten();
    let networks = items.map(|item| {
        network(item).ok_or_else(|| {
            let mut message = String::from("`networks` must be texts like `10.0.0.0/8`");
            if let Value::Str(text) = item {
                // Writing into a text cannot fail.
                let _ = write!(message, ", not `{}`", String::from_utf8_lossy(text));
            }
            message
        })
    });
    networks.collect::<Result<Box<[Network]>, _>>().map(Prepared::Networks)
}

fn network(item: Value<'_>) -> Option<Network> {
    let Value::Str(text) = item else { return None };
    let (address, length) = str::from_utf8(text).ok()?.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let length: u8 = length.parse().ok().filter(|length| *length <= bits)?;
    Some(Network { address, length })
}

impl Network {
    fn contains(self, address: IpAddr) -> bool {
        let (own, other, bits) = match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (u128::from(own.to_bits()), u128::from(other.to_bits()), 32)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits(), other.to_bits(), 128),
            _ => return false,
        };
        let apart = own ^ other;
        self.length == 0 || apart >> (bits - u32::from(self.length)) == 0
    }
}

/// Whether an address lies in one of the networks; a text that is no address does not.
fn is_in_cidr<'a>(arguments: Arguments<'_, 'a>) -> Result<Operand<'a>, Fault> {
    let text = str::from_utf8(arguments.text(0)?).ok();
    let address: Option<IpAddr> = text.and_then(|text| text.parse().ok());
    let address = address.map(|address| match address {
        IpAddr::V6(address) => {
            Ipv6Addr::to_ipv4_mapped(&address).map_or(IpAddr::V6(address), IpAddr::V4)
        }
        v4 => v4,
    });
    let made;
    let networks = match arguments.prepared {
        Prepared::Networks(networks) => networks,
        _ => {
            let wrong = |_| arguments.unusable(1, "has an element that is no network");
            made = prepare_networks(arguments.value(1)).map_err(wrong)?;
            match &made {
                Prepared::Networks(networks) => networks,
                _ => return Ok(Value::Bool(false).into()),
            }
        }
    };
    let inside = address.is_some_and(|address| networks.iter().any(|one| one.contains(address)));
    Ok(Value::Bool(inside).into())
}
