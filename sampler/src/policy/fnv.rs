//! The hash by which the Collector's `probabilistic` policy keeps a share of the traces.

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// FNV-1a, 64 bits wide, over `bytes`.
#[must_use]
pub(super) const fn hash(mut bytes: &[u8]) -> u64 {
    let mut hash = OFFSET;
    while let [byte, rest @ ..] = bytes {
        hash = step(hash, *byte);
        bytes = rest;
    }
    hash
}

/// Goes on from `hash` over the sixteen bytes of a trace id.
#[must_use]
pub(super) fn hash_on(hash: u64, trace_id: [u8; 16]) -> u64 {
    trace_id.into_iter().fold(hash, step)
}

/// FNV-1a, 32 bits wide.
#[must_use]
pub(super) fn hash32(bytes: impl IntoIterator<Item = u8>) -> u32 {
    let step = |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    bytes.into_iter().fold(0x811c_9dc5, step)
}

const fn step(hash: u64, byte: u8) -> u64 {
    (hash ^ byte as u64).wrapping_mul(PRIME)
}

/// The greatest hash that `ratio` (0 to 1) of all hashes do not exceed: `2^64 - 1` times the ratio
/// in a floating-point format of 64 significant bits, rounded half to even, then cut to a whole
/// number. That is how the Collector reckons, bit for bit. Below 0 counts as 0, above 1 as 1.
#[must_use]
pub(super) const fn greatest_kept(ratio: f64) -> u64 {
    const MANTISSA_BITS: u32 = 52;
    if ratio >= 1.0 {
        return u64::MAX;
    }
    // Below 2^-64 nothing but 0 is left after cutting.
    if ratio.is_nan() || ratio < f64::from_bits((1023 - 64) << MANTISSA_BITS) {
        return 0;
    }
    let bits = ratio.to_bits();
    let exponent = (bits >> MANTISSA_BITS) as u32;
    let mantissa = bits & ((1 << MANTISSA_BITS) - 1) | 1 << MANTISSA_BITS;
    // ratio = mantissa / 2^scale
    let scale = 1023 + MANTISSA_BITS - exponent;
    let product = (u64::MAX as u128) * (mantissa as u128);
    // The product has 116 or 117 bits: keep the first 64.
    let surplus = 128 - product.leading_zeros() - 64;
    let (kept, rest) = (product >> surplus, product & ((1 << surplus) - 1));
    let half = 1 << (surplus - 1);
    let up = rest > half || (rest == half && kept & 1 == 1);
    let rounded = (kept + up as u128) << surplus;
    (rounded >> scale) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_of_trace_ids_are_the_collectors() {
        let salt = hash(b"default-hash-seed");
        let cases: [(u128, u64, f64); 4] = [
            (0, 0xe195_36ee_d1bb_ac3d, 88.1184),
            (0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10, 0xdbcf_64d5_420f_4cad, 85.8634),
            (0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, 0xa545_33ba_2e49_70b5, 64.5588),
            (u128::MAX, 0x17be_c373_9634_fe2d, 9.2755),
        ];
        for (id, hash, kept_from) in cases {
            assert_eq!(hash_on(salt, id.to_be_bytes()), hash, "id {id:032x}");
            assert!(hash <= greatest_kept((kept_from + 0.0001) / 100.0), "id {id:032x}");
            assert!(hash > greatest_kept((kept_from - 0.0001) / 100.0), "id {id:032x}");
        }
    }

    /// The buckets of the Collector's head sampler: the seed, then the trace id.
    #[test]
    fn hashes_of_32_bits_are_the_collectors() {
        let bucket = |seed: u32, id: &[u8]| {
            hash32(seed.to_le_bytes().into_iter().chain(id.iter().copied())) % (1 << 14)
        };
        assert_eq!(bucket(0, &[]), 0x3515);
        let cases: [(u128, u32, u32); 4] = [
            (0, 0x2455, 0x2ec3),
            (0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10, 0x1a25, 0x3443),
            (0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, 0x008d, 0x306b),
            (u128::MAX, 0x1545, 0x25b3),
        ];
        for (id, of_none, of_22) in cases {
            let id = id.to_be_bytes();
            assert_eq!((bucket(0, &id), bucket(22, &id)), (of_none, of_22), "{id:x?}");
        }
    }

    /// Values computed with the arbitrary-precision arithmetic of another language.
    #[test]
    fn the_bound_is_rounded_in_64_bits_and_cut() {
        for (percentage, bound) in BOUNDS {
            let got = greatest_kept(percentage / 100.0);
            assert_eq!(got, bound, "{percentage} %: {got:#x}");
        }
    }

    const BOUNDS: [(f64, u64); 21] = [
        (-1.0, 0),
        (0.0, 0),
        (5e-18, 0),
        (6e-18, 1),
        (1e-10, 0x0119_7998),
        (0.001, 0xa7c5_ac47_1b47),
        (0.1, 0x0041_8937_4bc6_a7ef),
        (1.0, 0x028f_5c28_f5c2_8f5f),
        (5.0, 0x0ccc_cccc_cccc_ccff),
        (10.0, 0x1999_9999_9999_99ff),
        (25.0, 0x3fff_ffff_ffff_ffff),
        (33.3, 0x553f_7ced_9168_6fff),
        (50.0, 0x7fff_ffff_ffff_ffff),
        (64.5588, 0xa545_4152_b0a6_ffff),
        (66.6, 0xaa7e_f9db_22d0_dfff),
        (90.0, 0xe666_6666_6666_67ff),
        (99.0, 0xfd70_a3d7_0a3d_6fff),
        (99.99999999999999, 0xffff_ffff_ffff_f7ff),
        (100.0, u64::MAX),
        (250.0, u64::MAX),
        (f64::NAN, 0),
    ];
}
