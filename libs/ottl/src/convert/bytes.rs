//! Converters of bytes: ids, digests and encodings.

use base64::{
    Engine,
    engine::general_purpose::{
        GeneralPurpose, STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD,
    },
};
use sha2::Digest;

use crate::{
    convert::converter::{Accepts, Arguments, Converter, Parameter, Prepared},
    error::Fault,
    value::{Operand, Tree, Value, hex},
};

const TARGET: Parameter = Parameter::new("target", Accepts::Text);
const BYTES: Parameter = Parameter::new("bytes", Accepts::Any);

pub(super) const TABLE: &[Converter] = &[
    Converter::new("TraceID", &[BYTES], |arguments| {
        id::<16>(arguments).map(|id| Value::TraceId(id).into())
    })
    .strict(),
    Converter::new("SpanID", &[BYTES], |arguments| {
        id::<8>(arguments).map(|id| Value::SpanId(id).into())
    })
    .strict(),
    Converter::new("Hex", &[Parameter::new("target", Accepts::Any)], |arguments| {
        Ok(Tree::text(hex(&arguments.bytes_like(0)?)).into())
    }),
    Converter::new("SHA1", &[TARGET], digest::<sha1::Sha1>),
    Converter::new("SHA256", &[TARGET], digest::<sha2::Sha256>),
    Converter::new("SHA512", &[TARGET], digest::<sha2::Sha512>),
    Converter::new("MD5", &[TARGET], digest::<md5::Md5>),
    Converter::new("FNV", &[TARGET], |arguments| {
        Ok(Value::Int(fnv(arguments.text(0)?).cast_signed()).into())
    }),
    Converter::new("XXH3", &[TARGET], |arguments| {
        let hash = xxhash_rust::xxh3::xxh3_64(arguments.text(0)?);
        Ok(Tree::text(hex(&hash.to_be_bytes())).into())
    }),
    Converter::new("XXH128", &[TARGET], |arguments| {
        let hash = xxhash_rust::xxh3::xxh3_128(arguments.text(0)?);
        Ok(Tree::text(hex(&hash.to_be_bytes())).into())
    }),
    Converter::new(
        "Base64Encode",
        &[TARGET, Parameter::optional("variant", Accepts::TextLiteral)],
        |arguments| {
            let text = arguments.text(0)?;
            let variant = arguments.value(1);
            let engine = if let Value::Str(name) = variant { alphabet(name) } else { None };
            Ok(Tree::text(engine.unwrap_or(&STANDARD).encode(text)).into())
        },
    )
    .preparing(|constants| match constants.get(1) {
        Some(Some(Tree::Text(name))) => encoding(name, false),
        _ => Ok(Prepared::Nothing),
    }),
    Converter::new(
        "Decode",
        &[Parameter::new("target", Accepts::Any), Parameter::new("encoding", Accepts::TextLiteral)],
        |arguments| {
            let bytes = match arguments.value(0) {
                Value::Str(bytes) | Value::Bytes(bytes) => bytes,
                _ => return Err(arguments.must_be(0, "a text or bytes")),
            };
            let Some(engine) = alphabet(arguments.text(1)?) else {
                return Ok(Tree::text(String::from_utf8_lossy(bytes).into_owned()).into());
            };
            let decoded = engine.decode(bytes);
            let decoded = decoded.map_err(|_| arguments.unusable(0, "is not of this encoding"))?;
            Ok(Tree::Text(decoded).into())
        },
    )
    .preparing(|constants| match constants.get(1) {
        Some(Some(Tree::Text(name))) => encoding(name, true),
        _ => Ok(Prepared::Nothing),
    }),
];

/// The bytes of an id: so many as they are, or their hexadecimal digits.
fn id<const N: usize>(arguments: Arguments<'_, '_>) -> Result<[u8; N], Fault> {
    let bytes = arguments.bytes_like(0)?;
    if let Ok(id) = <[u8; N]>::try_from(&*bytes) {
        return Ok(id);
    }
    let mut id = [0; N];
    let digit =
        |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = bytes.chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    });
    if bytes.len() == 2 * N {
        let bytes: Option<Vec<u8>> = pairs.collect();
        if let Some(bytes) = bytes {
            id.copy_from_slice(&bytes);
            return Ok(id);
        }
    }
    Err(arguments.unusable(0, "has neither the bytes of an id nor its hexadecimal digits"))
}

fn digest<'a, D: Digest>(arguments: Arguments<'_, 'a>) -> Result<Operand<'a>, Fault> {
    Ok(Tree::text(hex(&D::digest(arguments.text(0)?))).into())
}

/// FNV-1a of 64 bits.
fn fnv(text: &[u8]) -> u64 {
    text.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The alphabet of a variant of base64.
fn alphabet(name: &[u8]) -> Option<&'static GeneralPurpose> {
    match name {
        b"base64" => Some(&STANDARD),
        b"base64-raw" => Some(&STANDARD_NO_PAD),
        b"base64-url" => Some(&URL_SAFE),
        b"base64-raw-url" => Some(&URL_SAFE_NO_PAD),
        _ => None,
    }
}

/// Checks the name of an encoding.
fn encoding(name: &[u8], of_text: bool) -> Result<Prepared, String> {
    let text = String::from_utf8_lossy(name);
    let is_text = ["utf-8", "utf8", "us-ascii"].iter().any(|one| text.eq_ignore_ascii_case(one));
    if alphabet(name).is_some() || (of_text && is_text) {
        return Ok(Prepared::Nothing);
    }
    let more = if of_text { ", `utf-8`, `us-ascii`" } else { "" };
    Err(format!(
        "the encoding `{text}` is not supported: there are `base64`, `base64-raw`, `base64-url`, \
         `base64-raw-url`{more}"
    ))
}
