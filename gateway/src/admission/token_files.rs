//! Tokens that stand in files, and are read again when these change.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError, RwLock},
};

use wholetrace_runtime::{secret::Secret, tls::FileMarks};

/// A token by which requests are compared.
pub(crate) type Digest = (u64, u64);

/// The tokens of a tenant that stand in files.
pub(crate) struct TokenFiles {
    tenant: String,
    files: Vec<PathBuf>,
    marks: FileMarks,
    seen: Mutex<u64>,
    digests: RwLock<Vec<Digest>>,
}

impl TokenFiles {
    /// Reads `files` for the first time. Those that cannot be read have no tokens; checking the
    /// configuration has told them.
    pub(crate) fn new(
        tenant: &str,
        files: Vec<PathBuf>,
        digest: impl Fn(&Secret) -> Digest,
    ) -> Self {
        let marks = FileMarks::new(files.clone());
        let seen = Mutex::new(marks.mark());
        let digests = read(&files).unwrap_or_default().iter().map(digest).collect();
        Self { tenant: tenant.to_owned(), files, marks, seen, digests: RwLock::new(digests) }
    }

    /// Whether one of the tokens is `token`. All are compared, whichever it is.
    pub(crate) fn has(&self, token: Digest) -> bool {
        let digests = self.digests.read().unwrap_or_else(PoisonError::into_inner);
        digests.iter().fold(false, |known, one| known | (*one == token))
    }

    /// Reads the files again if they have changed. With files that cannot be used the former tokens
    /// stay. Blocks.
    pub(crate) fn look(&self, digest: impl Fn(&Secret) -> Digest) {
        if self.files.is_empty() {
            return;
        }
        let holding = self.marks.mark();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *seen, holding) == holding {
            return;
        }
        let (tenant, files) = (&self.tenant, self.marks.names());
        match read(&self.files) {
            Ok(tokens) => {
                let digests = tokens.iter().map(digest).collect();
                *self.digests.write().unwrap_or_else(PoisonError::into_inner) = digests;
                tracing::info!(
                    tenant,
                    files,
                    tokens = tokens.len(),
                    "a tenant's tokens have changed"
                );
            }
            Err(error) => tracing::warn!(
                tenant,
                files,
                "a tenant's tokens have changed and cannot be used: {error}; the former ones stay in use"
            ),
        }
    }
}

/// Shorter tokens can be guessed.
pub(crate) const TOKEN_CHARS_MIN: usize = 16;

/// Whether it is a token that cannot be guessed, and that a header can hold.
pub(crate) fn is_token(token: &Secret) -> bool {
    token.reveal().len() >= TOKEN_CHARS_MIN && token.reveal().is_ascii()
}

/// All tokens of `files`, one a line.
///
/// # Errors
/// Names the file that cannot be read, or holds none or something else.
pub(crate) fn read(files: &[PathBuf]) -> Result<Vec<Secret>, String> {
    let mut tokens = Vec::new();
    for file in files {
        let name = file.display();
        let text =
            Secret::from_file(file).map_err(|error| format!("`{name}` cannot be read: {error}"))?;
        let lines = text.reveal().lines().map(str::trim).filter(|line| !line.is_empty());
        let found: Vec<Secret> = lines.map(Secret::new).collect();
        if found.is_empty() || !found.iter().all(is_token) {
            return Err(format!(
                "`{name}` does not hold tokens of {TOKEN_CHARS_MIN} or more characters of ASCII, one a line"
            ));
        }
        tokens.extend(found);
    }
    Ok(tokens)
}
