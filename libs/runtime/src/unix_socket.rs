//! Unix sockets to listen on: files by which processes of one machine reach each other.
//!
//! A process that is killed leaves its file behind, by which nobody can be reached any more and in
//! whose place nothing can be bound. Such a file is removed; one that somebody listens on is not.

use std::{
    fs::{self, Metadata},
    io::{self, ErrorKind},
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use tokio::net::{UnixListener, UnixStream};

use crate::listen::BindError;

/// The longest path, in bytes: what the address of a socket has room for, on every system.
pub const PATH_BYTES_MAX: usize = 103;

/// A socket that is listened on. Its file is removed when it is dropped.
#[derive(Debug)]
pub struct UnixSocket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and number of the file: another process may have put its own in the place.
    file: Option<(u64, u64)>,
}

impl UnixSocket {
    /// Listens on the file `endpoint`, found at the key path `setting`. The file is made as the umask of
    /// the process says: who may write to it may connect.
    ///
    /// # Errors
    /// When somebody listens there already, when the file is something else, or when it cannot be made.
    pub async fn bind(setting: &str, endpoint: &str) -> Result<Self, BindError> {
        let path = Path::new(endpoint);
        let bound = match remove_stale(path).await {
            Ok(()) => UnixListener::bind(path).map_err(|error| said(&error)),
            Err(reason) => Err(reason),
        };
        let listener = bound.map_err(|reason| BindError {
            setting: setting.to_owned(),
            endpoint: endpoint.to_owned(),
            reason,
        })?;
        let file = fs::symlink_metadata(path).ok().map(|found| identity(&found));
        Ok(Self { listener, path: path.to_owned(), file })
    }

    /// Its file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next connection.
    ///
    /// # Errors
    /// As of `accept(2)`.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path).ok().map(|found| identity(&found));
        if found.is_some() && found == self.file {
            // One that stays is removed at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// Removes the socket at `path` if nobody listens on it.
///
/// # Errors
/// What is at `path`, and what to do about it.
async fn remove_stale(path: &Path) -> Result<(), String> {
    let Ok(found) = fs::symlink_metadata(path) else {
        // There is none, or binding will say why it cannot be seen.
        return Ok(());
    };
    if !found.file_type().is_socket() {
        return Err(
            "there is something that is no socket; remove it, or configure another path".to_owned()
        );
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path)
            .or_else(|error| match error.kind() {
                ErrorKind::NotFound => Ok(()),
                _ => Err(format!(
                    "nobody listens on the socket that is there, and it cannot be removed \
                     ({error}): remove it, or give this process the right to write to its folder"
                )),
            }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(
            "the socket that is there belongs to another user; remove it, or configure another \
                 path"
                .to_owned(),
        ),
        // A full backlog is one of somebody who listens.
        Ok(_) | Err(_) => Err("somebody listens on it; stop the program that does (another \
                               Wholetrace, a Collector?) or configure another path"
            .to_owned()),
    }
}

fn said(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "its folder is not there; make it".to_owned(),
        ErrorKind::PermissionDenied => {
            "not permitted; give this process the right to write to the \
                                        folder, or configure another path"
                .to_owned()
        }
        ErrorKind::AddrInUse => "another process has just made it; stop that one, or configure \
                                 another path"
            .to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refused(path: &Path) -> String {
        UnixSocket::bind("x.endpoint", path.to_str().unwrap()).await.unwrap_err().to_string()
    }

    async fn bound(path: &Path) -> UnixSocket {
        UnixSocket::bind("x.endpoint", path.to_str().unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn a_socket_that_somebody_listens_on_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let first = bound(&path).await;
        let said = refused(&path).await;
        assert!(said.contains("somebody listens") && said.contains("x.endpoint"), "{said}");
        let (client, served) = tokio::join!(UnixStream::connect(&path), first.accept());
        assert!(client.is_ok() && served.is_ok());
        drop(first);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn what_a_killed_process_leaves_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        // It does not remove its file.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let again = bound(&path).await;
        let (client, served) = tokio::join!(UnixStream::connect(&path), again.accept());
        assert!(client.is_ok() && served.is_ok());
    }

    #[tokio::test]
    async fn what_is_no_socket_of_ours_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        fs::write(&path, "text").unwrap();
        let said = refused(&path).await;
        assert!(said.contains("no socket"), "{said}");
        assert_eq!(fs::read(&path).unwrap(), b"text");
        fs::remove_file(&path).unwrap();
        // Another process puts its own in the place.
        let first = bound(&path).await;
        fs::remove_file(&path).unwrap();
        let _second = bound(&path).await;
        drop(first);
        assert!(path.exists());
        let said = refused(&folder.path().join("none/a.sock")).await;
        assert!(said.contains("folder is not there"), "{said}");
    }
}
