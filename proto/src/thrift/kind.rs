//! The types of values, and how each protocol numbers them.

/// The deepest nesting of what is skipped.
pub const DEPTH_MAX: usize = 64;

/// How values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Numbers have a fixed size, big-endian.
    Binary,
    /// Numbers are varints; ids of fields are told by their distance.
    Compact,
}

impl Protocol {
    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Compact => "compact",
        }
    }
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A boolean.
    Bool,
    /// A number of 8 bits.
    I8,
    /// A number of 16 bits.
    I16,
    /// A number of 32 bits; also a value of an enumeration.
    I32,
    /// A number of 64 bits.
    I64,
    /// A number of 64 bits with a fraction.
    Double,
    /// Bytes or text.
    Bytes,
    /// Fields by number.
    Struct,
    /// Keys with values.
    Map,
    /// Elements of one kind, each once.
    Set,
    /// Elements of one kind.
    List,
    /// 16 bytes.
    Uuid,
}

impl Kind {
    /// The kind of this number in the binary protocol.
    pub(super) const fn of_binary(number: u8) -> Option<Self> {
        Some(match number {
            2 => Self::Bool,
            3 => Self::I8,
            4 => Self::Double,
            6 => Self::I16,
            8 => Self::I32,
            10 => Self::I64,
            11 => Self::Bytes,
            12 => Self::Struct,
            13 => Self::Map,
            14 => Self::Set,
            15 => Self::List,
            16 => Self::Uuid,
            _ => return None,
        })
    }

    /// The kind of this number in the compact protocol: booleans have two.
    pub(super) const fn of_compact(number: u8) -> Option<Self> {
        Some(match number {
            1 | 2 => Self::Bool,
            3 => Self::I8,
            4 => Self::I16,
            5 => Self::I32,
            6 => Self::I64,
            7 => Self::Double,
            8 => Self::Bytes,
            9 => Self::List,
            10 => Self::Set,
            11 => Self::Map,
            12 => Self::Struct,
            13 => Self::Uuid,
            _ => return None,
        })
    }

    /// Its number in `protocol`; of a boolean in the compact one, that of `true`.
    pub(super) const fn number(self, protocol: Protocol) -> u8 {
        let (binary, compact) = match self {
            Self::Bool => (2, 1),
            Self::I8 => (3, 3),
            Self::I16 => (6, 4),
            Self::I32 => (8, 5),
            Self::I64 => (10, 6),
            Self::Double => (4, 7),
            Self::Bytes => (11, 8),
            Self::Struct => (12, 12),
            Self::Map => (13, 11),
            Self::Set => (14, 10),
            Self::List => (15, 9),
            Self::Uuid => (16, 13),
        };
        match protocol {
            Protocol::Binary => binary,
            Protocol::Compact => compact,
        }
    }

    /// The fewest bytes that a value takes in `protocol`: never 0.
    pub(super) const fn least_bytes(self, protocol: Protocol) -> usize {
        match (protocol, self) {
            (_, Self::Double) | (Protocol::Binary, Self::I64) => 8,
            (_, Self::Uuid) => 16,
            (_, Self::Bool | Self::I8 | Self::Struct) | (Protocol::Compact, _) => 1,
            (Protocol::Binary, Self::I16) => 2,
            (Protocol::Binary, Self::I32 | Self::Bytes) => 4,
            (Protocol::Binary, Self::Set | Self::List) => 5,
            (Protocol::Binary, Self::Map) => 6,
        }
    }

    /// How many bytes each value takes in `protocol`, where all take as many.
    pub(super) const fn fixed_bytes(self, protocol: Protocol) -> Option<usize> {
        let fixed = match self {
            Self::Bool | Self::I8 | Self::Double | Self::Uuid => true,
            Self::I16 | Self::I32 | Self::I64 => matches!(protocol, Protocol::Binary),
            Self::Bytes | Self::Struct | Self::Map | Self::Set | Self::List => false,
        };
        if fixed { Some(self.least_bytes(protocol)) } else { None }
    }
}
