//! Dead letters.

use crate::{
    record::error::{RecordError, bounded, text},
    wire::{Cursor, Value, put_bytes, put_uint},
};

const DEAD_LETTER: &str = "DeadLetter";

/// What could not be decoded, or was refused for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeadLetter<'a> {
    /// Why it is here, for people.
    pub reason: &'a str,
    /// The topic it was read from.
    pub topic: &'a str,
    /// The partition of that topic.
    pub partition: u32,
    /// The position in that partition; of the first record when the payload was made of several.
    pub position: u64,
    /// When it became a dead letter: milliseconds since the Unix epoch, in the log's time.
    pub time_ms: u64,
    /// The exporter whose receiver refused it; empty when it did not come that far.
    pub exporter: &'a str,
    /// The bytes: `TracesData`, or what should have been.
    pub payload: &'a [u8],
}

impl<'a> DeadLetter<'a> {
    /// Writes the record.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let text = self.reason.len() + self.topic.len() + self.exporter.len();
        // Room for tags, lengths and numbers: more than they can take.
        let mut out = Vec::with_capacity(text + self.payload.len() + 80);
        put_bytes(&mut out, 1, self.reason.as_bytes());
        put_bytes(&mut out, 2, self.topic.as_bytes());
        put_uint(&mut out, 3, u64::from(self.partition));
        put_uint(&mut out, 4, self.position);
        put_uint(&mut out, 5, self.time_ms);
        put_bytes(&mut out, 6, self.exporter.as_bytes());
        put_bytes(&mut out, 7, self.payload);
        out
    }

    /// Reads the dead letter in `record`.
    ///
    /// # Errors
    /// When it is not what `record.proto` says.
    pub fn read(record: &'a [u8]) -> Result<Self, RecordError> {
        let mut letter = Self::default();
        let mut fields = Cursor::new(record);
        while let Some(field) = fields.next_field()? {
            match field.number {
                1 => letter.reason = text(&field, DEAD_LETTER, "reason")?,
                2 => letter.topic = text(&field, DEAD_LETTER, "topic")?,
                3 => letter.partition = bounded("partition", field.varint(DEAD_LETTER)?)?,
                4 => letter.position = field.varint(DEAD_LETTER)?,
                5 => letter.time_ms = field.varint(DEAD_LETTER)?,
                6 => letter.exporter = text(&field, DEAD_LETTER, "exporter")?,
                7 => letter.payload = field.bytes(DEAD_LETTER)?,
                _ => {}
            }
        }
        Ok(letter)
    }
}

/// Writes the record that says that the dead letters at these `positions` of its partition were
/// delivered.
#[must_use]
pub fn encode_replayed(positions: &[u64]) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 * positions.len() + 24);
    // For people who look at the topic with other tools.
    put_bytes(&mut out, 1, b"replayed");
    let packed: Vec<u8> = positions.iter().flat_map(|position| position.to_le_bytes()).collect();
    put_bytes(&mut out, REPLAYED, &packed);
    out
}

/// The positions of the dead letters that `record` says were delivered; `None` when it is a dead
/// letter itself.
///
/// # Errors
/// When it is not what `record.proto` says.
pub fn read_replayed(record: &[u8]) -> Result<Option<Vec<u64>>, RecordError> {
    let mut positions = None;
    let mut fields = Cursor::new(record);
    while let Some(field) = fields.next_field()? {
        if field.number != REPLAYED {
            continue;
        }
        let positions = positions.get_or_insert_with(Vec::new);
        match field.value {
            // A writer may do without packing.
            Value::Fixed64(position) => positions.push(position),
            _ => {
                let (packed, rest) = field.bytes(DEAD_LETTER)?.as_chunks();
                if !rest.is_empty() {
                    return Err(RecordError::Packed { field: "replayed" });
                }
                positions.extend(packed.iter().map(|bytes| u64::from_le_bytes(*bytes)));
            }
        }
    }
    Ok(positions)
}

const REPLAYED: u32 = 8;
