//! Rotation of the file exporter's file: named backups, by size, number and age.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use jiff::{Timestamp, ToSpan, Zoned, civil::DateTime, tz::TimeZone};

/// When a file is put aside, and for how long it is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RotationSettings {
    /// Bytes of a file before it is put aside.
    pub(crate) max_bytes: u64,
    /// Days until a backup is deleted; 0 is never.
    pub(crate) max_days: u32,
    /// Backups that are kept, the newest; 0 is all.
    pub(crate) max_backups: usize,
    /// Name backups by local time and not UTC.
    pub(crate) localtime: bool,
}

/// The time in the name of a backup, as the Collector writes it.
const TIME_FORMAT: &str = "%Y-%m-%dT%H-%M-%S%.3f";

/// Puts the file at `path` aside under a name with the time in it, and deletes the backups that
/// are too many or too old.
///
/// # Errors
/// When the file cannot be renamed. Backups that cannot be deleted are only logged.
pub(crate) fn rotate(path: &Path, settings: &RotationSettings) -> io::Result<()> {
    let zone = if settings.localtime { TimeZone::system() } else { TimeZone::UTC };
    let now = Timestamp::now().to_zoned(zone);
    fs::rename(path, free_name(path, &now)?)?;
    sync_folder_of(path)?;
    if let Err(error) = delete_old(path, settings, &now) {
        tracing::warn!(path = %path.display(), %error, "fail to delete old backups");
    }
    Ok(())
}

/// Links that are followed at most, as the system does.
const LINKS: usize = 40;

/// The file that is put aside when `path` is full: what a link leads to, not the link. `None` for
/// what is no regular file, or is one only for this process (`/dev/stdout`): a pipe or a link renamed
/// is a reader or a system broken, and what is opened next is the same as before.
///
/// # Errors
/// When it cannot be looked at.
pub(crate) fn target_of(path: &Path) -> io::Result<Option<PathBuf>> {
    let mut at = path.to_owned();
    for _ in 0..LINKS {
        let found = fs::symlink_metadata(&at)?;
        if !found.is_symlink() {
            return Ok(found.is_file().then_some(at));
        }
        let folder = folder_of(&at).canonicalize()?;
        if folder.starts_with("/dev") || folder.starts_with("/proc") {
            return Ok(None);
        }
        at = folder.join(fs::read_link(&at)?);
    }
    Ok(None)
}

/// Makes the names in the folder of `path` durable.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all().or_else(|error| match error.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported => Ok(()),
        _ => Err(error),
    })
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// A name that no backup has: two files may be filled within a millisecond.
fn free_name(path: &Path, now: &Zoned) -> io::Result<PathBuf> {
    let mut time = now.clone();
    loop {
        let (prefix, suffix) = name_parts(path);
        let name = format!("{prefix}{}{suffix}", time.strftime(TIME_FORMAT));
        let backup = folder_of(path).join(name);
        if !backup.try_exists()? {
            return Ok(backup);
        }
        time = time.checked_add(1.millisecond()).map_err(io::Error::other)?;
    }
}

/// What stands before and behind the time in the names of backups: `traces-` and `.json`.
fn name_parts(path: &Path) -> (String, String) {
    let part = |part: Option<&std::ffi::OsStr>| {
        part.map(|part| part.to_string_lossy().into_owned()).unwrap_or_default()
    };
    let suffix = path.extension().map(|extension| format!(".{}", part(Some(extension))));
    (format!("{}-", part(path.file_stem())), suffix.unwrap_or_default())
}

fn delete_old(path: &Path, settings: &RotationSettings, now: &Zoned) -> io::Result<()> {
    let mut backups = backups(path)?;
    backups.sort_by_key(|(time, _)| std::cmp::Reverse(*time));
    let oldest = now.datetime().checked_sub(i64::from(settings.max_days).days()).ok();
    for (index, (time, backup)) in backups.iter().enumerate() {
        let too_many = settings.max_backups > 0 && index >= settings.max_backups;
        let too_old = settings.max_days > 0 && oldest.is_some_and(|oldest| *time < oldest);
        if too_many || too_old {
            fs::remove_file(backup)?;
        }
    }
    Ok(())
}

/// All backups of the file at `path`, with the time in their names.
pub(crate) fn backups(path: &Path) -> io::Result<Vec<(DateTime, PathBuf)>> {
    let (prefix, suffix) = name_parts(path);
    let mut backups = Vec::new();
    for entry in fs::read_dir(folder_of(path))? {
        let entry = entry?;
        let name = entry.file_name();
        let time = name
            .to_str()
            .and_then(|name| name.strip_prefix(&*prefix)?.strip_suffix(&*suffix))
            .and_then(|time| DateTime::strptime(TIME_FORMAT, time).ok());
        if let Some(time) = time {
            backups.push((time, entry.path()));
        }
    }
    Ok(backups)
}

#[cfg(test)]
mod tests;
