//! The head of a message: which method is called.

use super::cursor::Cursor;
use super::error::ThriftError;
use super::kind::Protocol;

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// A call that is answered; some clients also write it for one that is not.
    Call,
    /// The answer to a call.
    Reply,
    /// The answer to a call that cannot be served.
    Exception,
    /// A call that is not answered.
    Oneway,
}

/// The head of a message. The struct of the method's arguments comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The name of the method.
    pub name: &'a [u8],
    /// What it is for.
    pub kind: MessageKind,
    /// The caller's number for it.
    pub sequence: i32,
}

/// What a message of the compact protocol begins with.
const COMPACT_ID: u8 = 0x82;
/// The version of the compact protocol, in the low five bits of the second byte.
const COMPACT_VERSION: u8 = 1;
/// What a strict message of the binary protocol begins with, in the upper half of its first number.
const STRICT_VERSION: u32 = 0x8001;

impl<'a> Cursor<'a> {
    /// The head of a message. In the binary protocol strict ones begin with a version, those of old
    /// with the name.
    ///
    /// # Errors
    /// When the bytes are none, of this protocol.
    pub fn message(&mut self) -> Result<Message<'a>, ThriftError> {
        let at = self.position();
        match self.protocol() {
            Protocol::Binary => {
                let first = u32::from_be_bytes(self.clone().array()?);
                if first >> 16 == STRICT_VERSION {
                    let [_, _, _, number] = self.array()?;
                    let kind = MessageKind::of(number, at)?;
                    return Ok(Message { name: self.bytes()?, kind, sequence: self.i32()? });
                }
                if first >> 31 == 1 {
                    return Err(version(at, first, Protocol::Binary));
                }
                let name = self.bytes()?;
                let kind = MessageKind::of(self.byte()?, at)?;
                Ok(Message { name, kind, sequence: self.i32()? })
            }
            Protocol::Compact => {
                let [id, head] = self.array()?;
                if id != COMPACT_ID || head & 0x1f != COMPACT_VERSION {
                    let found = u32::from(u16::from_be_bytes([id, head]));
                    return Err(version(at, found, Protocol::Compact));
                }
                let kind = MessageKind::of(head >> 5, at)?;
                let sequence = self.varint_u32()?.cast_signed();
                Ok(Message { name: self.bytes()?, kind, sequence })
            }
        }
    }
}

#[cold]
const fn version(at: usize, found: u32, protocol: Protocol) -> ThriftError {
    ThriftError::Version { at, found, protocol: protocol.name() }
}

impl MessageKind {
    fn of(number: u8, at: usize) -> Result<Self, ThriftError> {
        Ok(match number {
            1 => Self::Call,
            2 => Self::Reply,
            3 => Self::Exception,
            4 => Self::Oneway,
            kind => return Err(ThriftError::MessageKind { at, kind }),
        })
    }

    /// Its number, in both protocols.
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Call => 1,
            Self::Reply => 2,
            Self::Exception => 3,
            Self::Oneway => 4,
        }
    }
}

/// The head of a message, as it is written. In the binary protocol, a strict one.
pub(super) fn head(message: &Message<'_>, protocol: Protocol) -> (Vec<u8>, Option<i32>) {
    let number = message.kind.number();
    match protocol {
        Protocol::Binary => {
            let first = STRICT_VERSION << 16 | u32::from(number);
            (first.to_be_bytes().to_vec(), Some(message.sequence))
        }
        Protocol::Compact => {
            let mut head = vec![COMPACT_ID, number << 5 | COMPACT_VERSION];
            crate::wire::put_varint(&mut head, u64::from(message.sequence.cast_unsigned()));
            (head, None)
        }
    }
}
