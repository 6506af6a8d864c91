//! Converters: the functions of the language.
//!
//! A converter is a row in the table of its file: its name, its parameters, and the function that
//! is called with their values. What of it can be made ready once is made when a condition is
//! parsed: [`Converter::prepare`].

mod arguments;
mod bytes;
mod cases;
mod coerce;
mod converter;
mod duration;
mod format;
mod json;
mod kinds;
mod lists;
mod parse;
mod text;
mod times;
mod url;

pub(crate) use converter::{ARGUMENTS_MAX, Accepts, Arguments, Converter, Prepared};

/// The tables of all converters.
const TABLES: [&[Converter]; 6] =
    [kinds::TABLE, text::TABLE, lists::TABLE, bytes::TABLE, parse::TABLE, times::TABLE];

/// The converter of a name.
pub(crate) fn find(name: &str) -> Option<&'static Converter> {
    TABLES.iter().flat_map(|table| table.iter()).find(|converter| converter.name == name)
}

/// The names of all converters.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    TABLES.iter().flat_map(|table| table.iter()).map(|converter| converter.name)
}

/// Names of converters that a Collector has, and that are refused with their name.
pub(crate) const KNOWN_ONLY: &[&str] = &[
    "All",
    "Any",
    "CommunityID",
    "ConvertAttributesToElementsXML",
    "ConvertTextToElementsXML",
    "ExtractGrokPatterns",
    "Filter",
    "Find",
    "Format",
    "GetXML",
    "InsertXML",
    "MapEach",
    "MapKeys",
    "Murmur3Hash",
    "Murmur3Hash128",
    "ParseCSV",
    "ParseKeyValue",
    "ParseSeverity",
    "ParseSimplifiedXML",
    "ParseXML",
    "ProfileID",
    "Reduce",
    "RemoveXML",
    "SliceToMap",
    "ToKeyValueString",
    "UserAgent",
    "UUID",
    "UUIDv7",
    "When",
];
