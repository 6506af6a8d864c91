//! Exports to a file: one line of OTLP/JSON for each piece of kept spans.
//!
//! A batch is delivered once its lines are on the disk, in a file that can be found: one that others
//! moved or deleted is noticed before anything more is written to it. A line is never left
//! half-written: what a full disk or a crash has torn is cut off, and comes again from the log.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::future::BoxFuture;
use wholetrace_proto::otlp_json;

use crate::{
    contract::{Accepted, Batch, ExportError, Exporter},
    file_state::FileState,
    rotation::{self, RotationSettings},
};

/// What a file exporter needs.
#[derive(Clone, Debug)]
pub(crate) struct FileSettings {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// Go on behind what is in the file; else it is emptied at the start.
    pub(crate) append: bool,
    /// Make the folders above the file if they are missing.
    pub(crate) create_directory: bool,
    pub(crate) rotation: RotationSettings,
}

/// Writes kept traces to a file and its backups.
pub(crate) struct FileExporter {
    name: String,
    lines: Arc<Mutex<Lines>>,
}

impl FileExporter {
    /// Opens the file, and cuts off what a crash has left of an unfinished line.
    ///
    /// # Errors
    /// When the file cannot be opened for writing.
    pub(crate) fn open(settings: FileSettings) -> io::Result<Self> {
        if settings.create_directory
            && let Some(folder) = settings.path.parent()
        {
            fs::create_dir_all(folder)?;
        }
        let mut file = open(&settings.path)?;
        if !settings.append {
            file.set_len(0)?;
        }
        let len = end_last_line(&mut file)?;
        let (path, rotation) = (settings.path, settings.rotation);
        let lines = Lines { file, len, reopen: false, path, rotation };
        Ok(Self { name: settings.name, lines: Arc::new(Mutex::new(lines)) })
    }
}

impl Exporter for FileExporter {
    fn name(&self) -> &str {
        &self.name
    }

    fn export(&self, batch: Batch) -> BoxFuture<'_, Result<Accepted, ExportError>> {
        let lines = Arc::clone(&self.lines);
        Box::pin(async move {
            let writing = tokio::task::spawn_blocking(move || {
                let text = as_lines(&batch)?;
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                lines.append(&text).map_err(|error| {
                    let path = lines.path.display();
                    ExportError::retryable(format!("`{path}` cannot be written: {error}"))
                })
            });
            match writing.await {
                Ok(written) => written.map(|()| Accepted::default()),
                Err(error) => Err(ExportError::retryable(error.to_string())),
            }
        })
    }
}

/// A line for each piece of the batch.
fn as_lines(batch: &Batch) -> Result<Vec<u8>, ExportError> {
    let mut text = Vec::with_capacity(batch.len() * 3);
    for piece in batch.pieces() {
        otlp_json::write_line(piece, &mut text)
            .map_err(|error| batch.not_a_request(format!("spans do not decode: {error}")))?;
        text.push(b'\n');
    }
    Ok(text)
}

/// The file that is written to now.
struct Lines {
    file: File,
    len: u64,
    /// Whether the file is to be opened before anything is written: another one stands at the path, or
    /// it could not be written to.
    reopen: bool,
    path: PathBuf,
    rotation: RotationSettings,
}

impl Lines {
    fn append(&mut self, text: &[u8]) -> io::Result<()> {
        self.look()?;
        if self.reopen {
            self.open()?;
        }
        if self.len > 0 && self.len + text.len() as u64 > self.rotation.max_bytes {
            self.rotate()?;
        }
        if let Err(torn) = append_whole(&mut self.file, self.len, text) {
            // What stands at the path may be another file by now, on a disk that works.
            self.reopen |= torn.is_left || self.file.metadata().map_or(true, |it| it.is_file());
            return Err(torn.error);
        }
        self.len += text.len() as u64;
        // While it was written, too: a file without a name is not delivered.
        match FileState::of(&self.file, &self.path) {
            Ok(FileState::Deleted) => {
                Err(io::Error::other("the file was deleted while it was written to"))
            }
            Ok(FileState::Stale) => Err(io::ErrorKind::StaleNetworkFileHandle.into()),
            // It is on the disk, whatever can be seen of it at the moment.
            Ok(FileState::AtPath { .. } | FileState::Moved) | Err(_) => Ok(()),
        }
    }

    /// Looks whether the file is still what it was when it was opened, or written to last.
    fn look(&mut self) -> io::Result<()> {
        let path = self.path.display();
        match FileState::of(&self.file, &self.path)? {
            FileState::AtPath { bytes: None } => return Ok(()),
            FileState::AtPath { bytes: Some(bytes) } if bytes == self.len => return Ok(()),
            // Of something else that was going on it was told.
            _ if self.reopen => return Ok(()),
            FileState::AtPath { .. } => {
                tracing::info!(%path, "go on at the end of a file that others have changed");
            }
            FileState::Moved => {
                tracing::info!(%path, "begin a file in place of one that was moved")
            }
            FileState::Deleted => {
                tracing::warn!(%path, "begin a file in place of one that was deleted, with all that \
                    had been delivered to it");
            }
            FileState::Stale => {
                tracing::warn!(%path, "open a file again that its file system has forgotten");
            }
        }
        self.reopen = true;
        Ok(())
    }

    /// Puts the file aside and opens another one, if it is one that can be put aside.
    fn rotate(&mut self) -> io::Result<()> {
        let Some(target) = rotation::target_of(&self.path)? else { return Ok(()) };
        // Whatever of it fails: what stands at the path is the file from here on.
        self.reopen = true;
        rotation::rotate(&target, &self.rotation)?;
        self.open()
    }

    /// Opens what stands at the path, and ends its last line.
    fn open(&mut self) -> io::Result<()> {
        let mut file = open(&self.path)?;
        self.len = end_last_line(&mut file)?;
        (self.file, self.reopen) = (file, false);
        Ok(())
    }
}

/// Where lines are written: a file, or what a test puts in its place.
trait Storage: Write {
    fn truncate(&mut self, len: u64) -> io::Result<()>;
    fn sync(&mut self) -> io::Result<()>;
}

impl Storage for File {
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        match self.sync_data() {
            // A pipe or device, which has nothing to sync.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            synced => synced,
        }
    }
}

/// What could not be appended.
#[derive(Debug)]
struct Torn {
    error: io::Error,
    /// Whether a part of it may be left at the end of the file.
    is_left: bool,
}

/// Appends `text` to a storage of `len` bytes, to the last byte and durably, or not at all.
fn append_whole(storage: &mut impl Storage, len: u64, text: &[u8]) -> Result<(), Torn> {
    let written = storage.write_all(text).and_then(|()| storage.sync());
    written.map_err(|error| {
        let cut = storage.truncate(len);
        if let Err(error) = &cut {
            tracing::debug!(%error, "fail to cut off an unfinished line");
        }
        Torn { error, is_left: cut.is_err() }
    })
}

fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
    rotation::sync_folder_of(path)?;
    Ok(file)
}

/// Makes the end of `file` a line's end, and gives its length then. An unfinished line of ours is
/// cut off; what somebody else has left there is not ours to cut, and gets an end.
fn end_last_line(file: &mut File) -> io::Result<u64> {
    if !file.metadata()?.is_file() {
        return Ok(0);
    }
    let len = file.metadata()?.len();
    let start = start_of_last_line(file, len)?;
    if start == len {
        return Ok(len);
    }
    let mut beginning = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    Read::by_ref(file).take(LINE_START.len() as u64).read_to_end(&mut beginning)?;
    if LINE_START.starts_with(&beginning) {
        tracing::warn!(bytes = len - start, "cut an unfinished line off the exporter's file");
        file.set_len(start)?;
        file.sync_data()?;
        return Ok(start);
    }
    file.write_all(b"\n")?;
    Ok(len + 1)
}

/// How each of our lines begins.
const LINE_START: &[u8] = br#"{"resourceSpans":"#;

/// Where the text behind the last line's end in `file` begins: at its length `len`, if it ends
/// with a line.
fn start_of_last_line(file: &mut File, len: u64) -> io::Result<u64> {
    const STEP: u64 = 64 << 10;
    let mut end = len;
    while end > 0 {
        let start = end.saturating_sub(STEP);
        let mut step = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        Read::by_ref(file).take(end - start).read_to_end(&mut step)?;
        if let Some(newline) = memchr::memrchr(b'\n', &step) {
            return Ok(start + newline as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests;
