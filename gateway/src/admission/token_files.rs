//! Tokens that stand in files, and are read again when these change.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError, RwLock},
};

use wholetrace_runtime::{secret::Secret, tls::FileMarks};

use crate::admission::token::{TOKEN_CHARS_MIN, TokenId, is_configurable};

/// The tokens of a tenant that stand in files.
pub(crate) struct TokenFiles {
    tenant: String,
    files: Vec<PathBuf>,
    marks: FileMarks,
    seen: Mutex<u64>,
    ids: RwLock<Vec<TokenId>>,
}

impl TokenFiles {
    /// Reads `files` for the first time. Those that cannot be read have no tokens; checking the
    /// configuration has told them.
    pub(crate) fn new(tenant: &str, files: Vec<PathBuf>, id: impl Fn(&Secret) -> TokenId) -> Self {
        let marks = FileMarks::new(files.clone());
        let seen = Mutex::new(marks.mark());
        let ids = read(&files).unwrap_or_default().iter().map(id).collect();
        Self { tenant: tenant.to_owned(), files, marks, seen, ids: RwLock::new(ids) }
    }

    /// Whether one of the tokens is `token`. All are compared, whichever it is.
    pub(crate) fn has(&self, token: TokenId) -> bool {
        let ids = self.ids.read().unwrap_or_else(PoisonError::into_inner);
        ids.iter().fold(false, |known, one| known | (*one == token))
    }

    /// Reads the files again if they have changed. With files that cannot be used the former tokens
    /// stay. Blocks.
    pub(crate) fn look(&self, id: impl Fn(&Secret) -> TokenId) {
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
                let ids = tokens.iter().map(id).collect();
                *self.ids.write().unwrap_or_else(PoisonError::into_inner) = ids;
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

/// All tokens of `files`, or their hashes, one a line.
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
        if found.is_empty() || !found.iter().all(is_configurable) {
            return Err(format!(
                "`{name}` does not hold tokens of {TOKEN_CHARS_MIN} or more characters of ASCII, or \
                 `sha256:` and their hashes, one a line"
            ));
        }
        tokens.extend(found);
    }
    Ok(tokens)
}
