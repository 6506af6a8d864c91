//! Everything that is wrong with a configuration, at once.

use std::{fmt, ops::RangeInclusive};

/// One thing that is wrong, or odd, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Key path, such as `receivers.otlp.protocols.grpc.endpoint`; empty for the whole file.
    pub path: String,
    /// The value found, as text; empty when there is none. Never a secret.
    pub value: String,
    /// What is wrong, with the bound: lower case, no final period.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
}

impl Problem {
    /// A problem at `path`.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            value: String::new(),
            message: message.into(),
            hint: String::new(),
        }
    }

    /// Says the value that was found. Not for secrets.
    #[must_use]
    pub fn value(mut self, value: impl fmt::Display) -> Self {
        self.value = value.to_string();
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}", self.path)?;
            if !self.value.is_empty() {
                write!(f, " = `{}`", self.value)?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.message)?;
        if !self.hint.is_empty() {
            write!(f, "; {}", self.hint)?;
        }
        Ok(())
    }
}

/// Collects problems. Errors make a configuration unusable, warnings do not.
#[derive(Clone, Debug, Default)]
pub struct Problems {
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Problems {
    /// No problem yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what makes the configuration unusable: where, what is wrong with its bound, and what to
    /// do about it (may be empty).
    pub fn error(
        &mut self,
        path: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.push_error(Problem::new(path, message).hint(hint));
    }

    /// Adds what the user should know but the process can live with; the parts are those of
    /// [`error`](Self::error).
    pub fn warn(
        &mut self,
        path: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.push_warning(Problem::new(path, message).hint(hint));
    }

    /// Adds an error as it is.
    pub fn push_error(&mut self, problem: Problem) {
        self.errors.push(problem);
    }

    /// Adds a warning as it is.
    pub fn push_warning(&mut self, problem: Problem) {
        self.warnings.push(problem);
    }

    /// Adds an error unless `value` is `lowest` to `highest`. The bounds are said.
    #[expect(clippy::needless_pass_by_value, reason = "bounds are small and written in place")]
    pub fn check_range<T: PartialOrd + fmt::Display>(
        &mut self,
        path: impl Into<String>,
        value: T,
        lowest: T,
        highest: T,
    ) {
        if value < lowest || value > highest {
            let message = format!("must be {lowest} to {highest}");
            self.push_error(Problem::new(path, message).value(value));
        }
    }

    /// Adds an error unless `bounds` contain the `value` of `key` below `path`. The bounds are said.
    pub fn within<T: PartialOrd + fmt::Display>(
        &mut self,
        path: &str,
        key: &str,
        value: &T,
        bounds: &RangeInclusive<T>,
    ) {
        self.check_range(join(path, key), value, bounds.start(), bounds.end());
    }

    /// Adds all of `other`.
    pub fn extend(&mut self, other: Self) {
        self.errors.extend(other.errors);
        self.warnings.extend(other.warnings);
    }

    /// What makes the configuration unusable, in the order found.
    #[must_use]
    pub fn errors(&self) -> &[Problem] {
        &self.errors
    }

    /// What the user should know.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// Whether the configuration is unusable.
    #[must_use]
    pub const fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// # Errors
    /// The problems, if there is an error among them; else the warnings are in `Ok`.
    pub fn into_result(self) -> Result<Vec<Problem>, Self> {
        if self.has_errors() { Err(self) } else { Ok(self.warnings) }
    }
}

/// The path of `key` below `path`.
#[must_use]
pub fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The one of `known` that `word` is most likely meant to be, if any is near enough.
#[must_use]
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters may be wrong; long words are nobody's slip.
    let allowed = (word.chars().count().min(64) / 3).max(1);
    let near = known.into_iter().map(|candidate| (distance(word, candidate), candidate));
    near.filter(|(distance, _)| *distance <= allowed).min().map(|(_, candidate)| candidate)
}

/// Letters to insert, remove, replace or swap with their neighbour to make `a` into `b`; case and
/// `-` for `_` count nothing.
fn distance(a: &str, b: &str) -> usize {
    let letters = |text: &str| -> Vec<char> {
        let plain = |c: char| if c == '-' { '_' } else { c.to_ascii_lowercase() };
        text.chars().take(64).map(plain).collect()
    };
    let (a, b) = (letters(a), letters(b));
    // Rows of the table of distances between beginnings of `a` and `b`: two before, one before.
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at =
                |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
            let replaced = at(&last, j) + usize::from(x != y);
            let mut least = replaced.min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = j > 0 && i > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                least = least.min(at(&before, j - 1) + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.errors.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_are_said_with_path_value_bound_and_hint() {
        let mut problems = Problems::new();
        problems.check_range("limits.connections", 5, 1, 10);
        assert!(!problems.has_errors());
        problems.check_range("limits.connections", 0, 1, 10);
        problems.error("log", "names no log", "add `embedded`");
        problems.warn("x", "is not needed", "");
        let said = problems.clone().into_result().unwrap_err().to_string();
        assert_eq!(
            said,
            "  limits.connections = `0`: must be 1 to 10\n  log: names no log; add `embedded`"
        );
        assert_eq!(problems.warnings().len(), 1);
    }

    #[test]
    fn slips_are_recognised() {
        let known = ["endpoint", "tls", "max_recv_msg_size_mib", "cors"];
        for (word, meant) in [
            ("endpiont", Some("endpoint")),
            ("Endpoint", Some("endpoint")),
            ("end_point", Some("endpoint")),
            ("tsl", Some("tls")),
            ("max-recv-msg-size-mb", Some("max_recv_msg_size_mib")),
            ("color", None),
            ("", None),
        ] {
            assert_eq!(did_you_mean(word, known), meant, "{word}");
        }
    }
}
