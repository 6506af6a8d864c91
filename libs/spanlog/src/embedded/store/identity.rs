//! The two small files of a log: `format`, written once, and `marks`.

use std::io;

use super::format::FORMAT_VERSION;
use crate::{embedded::disk::Disk, routing::Descriptor, topic::TopicName};

/// The name of the file that says what the log is.
pub(super) const FORMAT: &str = "format";

/// The name of the file that says how far the log had come.
pub(super) const MARKS: &str = "marks";

/// What a log is created with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) descriptor: Descriptor,
    /// Drawn when the log is created; every slot has it.
    pub(super) log_id: u128,
    /// Bytes of a slot.
    pub(super) slot_bytes: u64,
}

impl Identity {
    /// The content of `format`.
    pub(super) fn show(&self) -> String {
        let Self { descriptor, log_id, slot_bytes } = self;
        let Descriptor { epoch, seed, partitions } = descriptor;
        format!(
            "wholetrace log\nversion {FORMAT_VERSION}\npartitions {partitions}\nepoch {epoch}\n\
             seed {seed:016x}\nid {log_id:032x}\nslot_bytes {slot_bytes}\n"
        )
    }

    /// Reads the content of `format`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.lines();
        if lines.next() != Some("wholetrace log") {
            return Err("its first line is not `wholetrace log`".to_owned());
        }
        let mut value = |name: &str| {
            lines
                .next()
                .and_then(|line| line.strip_prefix(name)?.strip_prefix(' '))
                .ok_or_else(|| format!("`{name}` is missing"))
        };
        let bad = |name: &str, text: &str| format!("`{name}` is `{text}`");
        let small = |name: &str, text: &str| text.parse::<u32>().map_err(|_| bad(name, text));
        let version = small("version", value("version")?)?;
        if version == 1 {
            return Err("its version is `1`, that of an older store: start the version of \
                        wholetrace that wrote it without receivers until all is exported, then \
                        begin with an empty folder"
                .to_owned());
        }
        if version != FORMAT_VERSION {
            return Err(format!("its version is `{version}`, this one reads {FORMAT_VERSION}"));
        }
        let partitions = small("partitions", value("partitions")?)?;
        let epoch = small("epoch", value("epoch")?)?;
        let seed = value("seed")?;
        let seed = u64::from_str_radix(seed, 16).map_err(|_| bad("seed", seed))?;
        let id = value("id")?;
        let log_id = u128::from_str_radix(id, 16).map_err(|_| bad("id", id))?;
        let bytes = value("slot_bytes")?;
        let slot_bytes = bytes.parse().map_err(|_| bad("slot_bytes", bytes))?;
        Ok(Self { descriptor: Descriptor { epoch, seed, partitions }, log_id, slot_bytes })
    }
}

/// The newest segment of each stream: a second proof that no file is missing. Written behind,
/// never ahead of the truth.
pub(in crate::embedded) type Marks = [u64; 3];

/// The content of `marks`.
pub(super) fn show_marks(marks: &Marks) -> String {
    let mut text = String::from("wholetrace marks\n");
    for topic in TopicName::ALL {
        text.push_str(&format!("{topic} {}\n", marks[topic.index()]));
    }
    // A file that was cut short has no last line.
    text.push_str("end\n");
    text
}

/// Notes how far the log has come. Not synced: what is noted is durable already, so that an older
/// note is as true as a newer one.
///
/// # Errors
/// What the system said.
pub(in crate::embedded) fn write_marks<D: Disk>(disk: &D, marks: &Marks) -> io::Result<()> {
    disk.replace_file(MARKS, show_marks(marks).as_bytes(), false)
}

/// Reads the content of `marks`; `None` when it cannot be understood: it is not needed.
pub(super) fn parse_marks(text: &str) -> Option<Marks> {
    let mut lines = text.lines();
    let mut marks = Marks::default();
    if lines.next()? != "wholetrace marks" {
        return None;
    }
    for topic in TopicName::ALL {
        let line = lines.next()?;
        marks[topic.index()] = line.strip_prefix(topic.as_str())?.trim_start().parse().ok()?;
    }
    (lines.next() == Some("end") && text.ends_with('\n')).then_some(marks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_read_back_and_wrong_ones_are_named() {
        let descriptor = Descriptor { epoch: 3, seed: 0xfeed, partitions: 12 };
        let identity = Identity { descriptor, log_id: 77, slot_bytes: 1 << 20 };
        let text = identity.show();
        assert_eq!(Identity::parse(&text), Ok(identity));
        for (from, to, message) in [
            ("wholetrace log", "something", "first line"),
            ("version 2", "version 9", "its version is `9`"),
            ("version 2", "version 1", "an older store"),
            ("partitions 12", "partitions x", "`partitions` is `x`"),
            ("epoch 3\n", "", "`epoch` is missing"),
            ("slot_bytes 1048576", "slot_bytes ", "`slot_bytes`"),
        ] {
            let detail = Identity::parse(&text.replace(from, to)).unwrap_err();
            assert!(detail.contains(message), "{detail}");
        }
        assert!(Identity::parse("").is_err());
    }

    #[test]
    fn marks_that_were_cut_short_do_not_count() {
        let text = show_marks(&[1, 22, 333]);
        assert_eq!(parse_marks(&text), Some([1, 22, 333]));
        for cut in 0..text.len() {
            assert_eq!(parse_marks(&text[..cut]), None, "{cut}");
        }
    }
}
