//! Tables of generated pages: what fits a cell, and what stands below the table.

use std::fmt::Write as _;

/// Characters of a cell, which a screen can hold.
pub const CELL_CHARS: usize = 160;

/// What does not fit the cells of one table.
#[derive(Debug, Default)]
pub struct Notes(Vec<(Vec<String>, String)>);

impl Notes {
    /// The text of a cell in the row of `name`: all of `text` if it fits, else the sentences of it
    /// that do, with the others in a note.
    pub fn cell(&mut self, name: &str, text: &str) -> String {
        if text.chars().count() <= CELL_CHARS {
            return text.to_owned();
        }
        let ends = text.match_indices(". ").map(|(at, _)| at + 1);
        let fits = |end: &usize| text[..*end].chars().count() + 2 <= CELL_CHARS;
        let Some(end) = ends.filter(fits).last() else {
            self.add(name, text);
            return "below".to_owned();
        };
        let (first, rest) = text.split_at(end);
        self.add(name, rest.trim());
        format!("{first} …")
    }

    /// Adds a note about `name`. Names that share one stand together.
    pub fn add(&mut self, name: &str, text: &str) {
        match self.0.iter_mut().find(|(_, known)| known == text) {
            Some((names, _)) => names.push(name.to_owned()),
            None => self.0.push((vec![name.to_owned()], text.to_owned())),
        }
    }

    /// The notes as Markdown, for below the table.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        for (names, note) in &self.0 {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            let _ = write!(text, "\n* {}: {note}", names.join(", "));
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_stands_below() {
        let mut notes = Notes::default();
        let (first, long) = ("One sentence. Another.", "x".repeat(CELL_CHARS - 23));
        let fits = format!("{first} {long}");
        assert_eq!(notes.cell("a", &fits), fits);
        assert_eq!(notes.markdown(), "");
        for name in ["b", "c"] {
            assert_eq!(notes.cell(name, &format!("{fits}y")), "One sentence. Another. …");
        }
        let one = "é".repeat(CELL_CHARS + 1);
        assert_eq!(notes.cell("d", &one), "below");
        assert_eq!(notes.markdown(), format!("\n* `b`, `c`: {long}y\n* `d`: {one}\n"));
    }
}
