//! What is wrong with a configuration, and where it stands.

use std::fmt;

use wholetrace_runtime::problems::{Problem, Problems};

use super::{expand::Expansions, path::KeyPath, sources::Sources};

/// A configuration that cannot be used: everything that is wrong with it.
#[derive(Debug)]
pub(crate) struct Refused {
    /// What cannot be used, where it is something else.
    subject: String,
    problems: Vec<Located>,
}

#[derive(Debug)]
struct Located {
    problem: Problem,
    origin: Option<String>,
}

impl Refused {
    /// The errors of `problems`. Values that came from variables and files are hidden.
    pub(super) fn new(problems: &Problems, sources: &Sources, expansions: &Expansions) -> Self {
        let located = |problem: &Problem| {
            let path = KeyPath::parse(&problem.path);
            Located {
                origin: path.and_then(|path| sources.origin(&path).map(str::to_owned)),
                problem: Problem {
                    path: problem.path.clone(),
                    value: expansions.hide(&problem.value),
                    message: expansions.hide(&problem.message),
                    hint: expansions.hide(&problem.hint),
                },
            }
        };
        let problems = problems.errors().iter().map(located).collect();
        Self { subject: "the configuration".to_owned(), problems }
    }

    /// The same of something else than a configuration.
    pub(super) fn of(self, subject: String) -> Self {
        Self { subject, ..self }
    }

    /// What is wrong with it.
    pub(crate) fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().map(|located| &located.problem)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        let noun = if count == 1 { "problem" } else { "problems" };
        writeln!(f, "{} has {count} {noun}:", self.subject)?;
        for Located { problem, origin } in &self.problems {
            write!(f, "\n  {}", problem.path)?;
            if let Some(origin) = origin {
                write!(f, " ({origin})")?;
            }
            write!(f, "\n      ")?;
            if !problem.value.is_empty() {
                write!(f, "`{}`: ", problem.value)?;
            }
            writeln!(f, "{}", problem.message)?;
            if !problem.hint.is_empty() {
                writeln!(f, "      {}", problem.hint)?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}
