//! What became of each part of the files.

use std::fmt;

/// Where something stands: a file, and the key path in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The name of the file.
    pub file: String,
    /// The key path; empty for the whole file.
    pub path: String,
}

impl Place {
    /// The whole of a file.
    pub(crate) fn of_file(name: &str) -> Self {
        Self { file: name.to_owned(), path: String::new() }
    }

    /// The place of `key`, which may be a path, below this one.
    pub(crate) fn key(&self, key: &str) -> Self {
        let separator = if self.path.is_empty() || key.starts_with('[') { "" } else { "." };
        Self { file: self.file.clone(), path: format!("{}{separator}{key}", self.path) }
    }

    /// The place of an item of the list here.
    pub(crate) fn item(&self, index: usize) -> Self {
        self.key(&format!("[{index}]"))
    }
}

/// One line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands in the source.
    pub place: Place,
    /// What became of it, or why it is not needed, or what is lost.
    pub said: String,
    /// How to get it nevertheless; may be empty.
    pub instead: String,
}

/// What became of each part of the files, in three lists.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What was taken.
    pub taken: Vec<Entry>,
    /// What is not needed, and why.
    pub not_needed: Vec<Entry>,
    /// What would be lost, and the way to get it.
    pub lost: Vec<Entry>,
    /// Whether there are several files, so that each place names its own.
    several: bool,
}

impl Report {
    pub(crate) fn new(several: bool) -> Self {
        Self { several, ..Self::default() }
    }

    pub(crate) fn taken(&mut self, place: Place, said: impl Into<String>) {
        Self::add(&mut self.taken, place, said.into(), String::new());
    }

    /// Takes back that what is at `place` was taken.
    pub(crate) fn not_taken(&mut self, place: &Place) {
        self.taken.retain(|entry| entry.place != *place);
    }

    pub(crate) fn not_needed(&mut self, place: Place, why: impl Into<String>) {
        Self::add(&mut self.not_needed, place, why.into(), String::new());
    }

    pub(crate) fn lost(
        &mut self,
        place: Place,
        what: impl Into<String>,
        instead: impl Into<String>,
    ) {
        Self::add(&mut self.lost, place, what.into(), instead.into());
    }

    /// Adds an entry, unless it is there.
    fn add(list: &mut Vec<Entry>, place: Place, said: String, instead: String) {
        let entry = Entry { place, said, instead };
        if !list.contains(&entry) {
            list.push(entry);
        }
    }

    fn list(&self, f: &mut fmt::Formatter<'_>, title: &str, entries: &[Entry]) -> fmt::Result {
        writeln!(f, "{title}: {}", entries.len())?;
        for Entry { place, said, instead } in entries {
            let path = if place.path.is_empty() { place.file.as_str() } else { &place.path };
            write!(f, "  {path}")?;
            if self.several && !place.path.is_empty() {
                write!(f, " ({})", place.file)?;
            }
            writeln!(f)?;
            if !said.is_empty() {
                writeln!(f, "      {said}")?;
            }
            if !instead.is_empty() {
                writeln!(f, "      to get it: {instead}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.list(f, "taken", &self.taken)?;
        writeln!(f)?;
        self.list(f, "not needed", &self.not_needed)?;
        writeln!(f)?;
        self.list(f, "lost", &self.lost)
    }
}
