//! The spans of dead letters, as a file.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use anyhow::{Context as _, bail};
use wholetrace_proto::otlp_json;
use wholetrace_sampler::dead_letters::{DeadLettersReader, StoredDeadLetter};

use super::{damaged, options::ExportFormat, written};

/// Writes the spans of what `dead_letters` gives to `output` or, if there is none, to standard output.
pub(super) async fn run(
    mut dead_letters: DeadLettersReader,
    output: Option<&Path>,
    format: ExportFormat,
) -> anyhow::Result<()> {
    let file = output.map(|path| {
        File::create_new(path).with_context(|| format!("`{}` cannot be made", path.display()))
    });
    let file = file.transpose()?;
    let target: Box<dyn Write> = match &file {
        Some(file) => Box::new(file),
        None => Box::new(std::io::stdout()),
    };
    let mut out = BufWriter::new(target);
    let (mut exported, mut spans, mut without) = (0_u64, 0_u64, 0_u64);
    let mut line = Vec::new();
    while let Some(dead_letter) = dead_letters.next().await? {
        line.clear();
        match dead_letter.contents().filter(|_| encode(&dead_letter, format, &mut line)) {
            Some(contents) => {
                written(out.write_all(&line))?;
                exported += 1;
                spans += contents.spans;
            }
            None => without += 1,
        }
    }
    written(out.flush())?;
    drop(out);
    if let Some(file) = file {
        written(file.sync_all())?;
    }
    let mut stderr = std::io::stderr();
    written(writeln!(stderr, "exported {exported} dead letters with {spans} spans"))?;
    if dead_letters.damaged() > 0 {
        written(writeln!(stderr, "{}", damaged(dead_letters.damaged())))?;
    }
    if without > 0 {
        bail!(
            "{without} dead letters were left out, they hold nothing that can be read as spans: \
             `wholetrace dead-letters list` says why each is one"
        );
    }
    Ok(())
}

/// Appends the spans of `dead_letter` to `out`; tells whether they could be written.
fn encode(dead_letter: &StoredDeadLetter, format: ExportFormat, out: &mut Vec<u8>) -> bool {
    match format {
        // Messages one after the other are one message.
        ExportFormat::Protobuf => out.extend_from_slice(&dead_letter.payload),
        ExportFormat::Json => {
            if otlp_json::write_line(&dead_letter.payload, out).is_err() {
                return false;
            }
            out.push(b'\n');
        }
    }
    true
}
