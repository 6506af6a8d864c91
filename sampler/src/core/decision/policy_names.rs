//! The names of policies that decisions speak of.

use std::{collections::HashMap, sync::Arc};

use wholetrace_proto::record::POLICIES_MAX;

/// The names of the policies that decided traces, of however many sets, each with a number.
#[derive(Debug, Default)]
pub(crate) struct PolicyNames {
    names: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, PolicyNumber>,
}

/// A name among [`PolicyNames`], or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PolicyNumber(pub(crate) u16);

impl PolicyNumber {
    /// Of no policy, or of one whose name found no room.
    pub(crate) const NONE: Self = Self(0);
}

impl PolicyNames {
    /// The number of a name, which is new or not. Beyond [`POLICIES_MAX`] names, which many reloads
    /// would bring, others have none.
    pub(crate) fn number(&mut self, name: &str) -> PolicyNumber {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u16::try_from(self.names.len() + 1).map(PolicyNumber);
        let Ok(number) = number else { return PolicyNumber::NONE };
        if name.is_empty() || self.names.len() >= POLICIES_MAX {
            return PolicyNumber::NONE;
        }
        let name: Arc<str> = name.into();
        self.names.push(Arc::clone(&name));
        self.numbers.insert(name, number);
        number
    }

    /// The name of a number.
    pub(crate) fn name(&self, number: PolicyNumber) -> Option<&Arc<str>> {
        self.names.get(usize::from(number.0).checked_sub(1)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_numbers_up_to_a_bound() {
        let mut names = PolicyNames::default();
        let number = names.number("errors");
        assert_eq!(names.number("errors"), number);
        assert_eq!(names.name(number).map(AsRef::as_ref), Some("errors"));
        assert_eq!(names.number(""), PolicyNumber::NONE);
        assert_eq!(names.name(PolicyNumber::NONE), None);
        let many: Vec<_> = (0..2 * POLICIES_MAX).map(|i| names.number(&i.to_string())).collect();
        assert_eq!(many.iter().filter(|one| **one != PolicyNumber::NONE).count(), POLICIES_MAX - 1);
        assert_eq!(names.number("errors"), number);
    }
}
