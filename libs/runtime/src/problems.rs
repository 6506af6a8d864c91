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

    /// Adds what makes the configuration unusable.
    pub fn error(&mut self, problem: Problem) {
        self.errors.push(problem);
    }

    /// Adds what the user should know but the process can live with.
    pub fn warning(&mut self, problem: Problem) {
        self.warnings.push(problem);
    }

    /// Adds an error unless `bounds` contain `value`. The bounds are said.
    pub fn within<T: PartialOrd + fmt::Display>(
        &mut self,
        path: &str,
        key: &str,
        value: &T,
        bounds: &RangeInclusive<T>,
    ) {
        if !bounds.contains(value) {
            let message = format!("must be {} to {}", bounds.start(), bounds.end());
            self.error(Problem::new(join(path, key), message).value(value));
        }
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
        problems.within("limits", "connections", &5u32, &(1..=10));
        assert!(!problems.has_errors());
        problems.within("limits", "connections", &0u32, &(1..=10));
        problems.error(Problem::new("log", "names no log").hint("add `embedded`"));
        problems.warning(Problem::new("x", "is not needed"));
        let said = problems.clone().into_result().unwrap_err().to_string();
        assert_eq!(
            said,
            "  limits.connections = `0`: must be 1 to 10\n  log: names no log; add `embedded`"
        );
        assert_eq!(problems.warnings().len(), 1);
    }
}
