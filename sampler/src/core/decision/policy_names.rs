//! The names of policies that decisions speak of.

use std::{collections::HashMap, sync::Arc};

use wholetrace_proto::record::POLICIES_MAX;

/// What stands before the name of a policy in a reason, as before that of a rule on whole traces in
/// Refinery.
const REASON: &str = "rules/trace/";

/// What stands behind a reason for spans that came after the decision, as in Refinery.
const LATE: &str = " - late arriving span";

/// What is said of such spans where nothing else is known.
const ONLY_LATE: &str = "late arriving span";

/// The names of the policies that decided traces, of however many sets, each with a number; and those
/// of policies within composite ones, each with a number together with the one that decided.
#[derive(Debug, Default)]
pub(crate) struct PolicyNames {
    deciders: Vec<Decider>,
    numbers: HashMap<Arc<str>, PolicyNumber>,
    with_sub_policies: HashMap<(PolicyNumber, Arc<str>, bool), PolicyNumber>,
}

/// A name among [`PolicyNames`], or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct PolicyNumber(pub(crate) u16);

/// What decided a trace.
#[derive(Debug)]
struct Decider {
    policy: Arc<str>,
    sub_policy: Option<Arc<str>>,
    /// The reason for spans that came after the decision; without its end, that for the others.
    late_reason: Box<str>,
}

impl Decider {
    fn new(policy: Arc<str>) -> Self {
        let late_reason = format!("{REASON}{policy}{LATE}").into();
        Self { policy, sub_policy: None, late_reason }
    }

    /// The same, with a policy within a composite one: within this one or another.
    fn with(self, sub_policy: Arc<str>, of_this: bool) -> Self {
        let late_reason = if of_this {
            format!("{REASON}{}:{sub_policy}{LATE}", self.policy).into()
        } else {
            self.late_reason
        };
        Self { sub_policy: Some(sub_policy), late_reason, ..self }
    }
}

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
        if name.is_empty() || self.numbers.len() >= POLICIES_MAX {
            return PolicyNumber::NONE;
        }
        let name: Arc<str> = name.into();
        let number = self.push(Decider::new(Arc::clone(&name)));
        self.numbers.insert(name, number);
        number
    }

    /// The number of a policy together with the policy `sub_policy` within a composite one: within it, or
    /// within another that said yes as well. Beyond [`POLICIES_MAX`] such pairs it is that of the
    /// policy alone.
    pub(crate) fn with_sub_policy(
        &mut self,
        policy: PolicyNumber,
        sub_policy: &str,
        of_decider: bool,
    ) -> PolicyNumber {
        let Some(name) = self.name(policy).cloned().filter(|_| !sub_policy.is_empty()) else {
            return policy;
        };
        let sub_policy: Arc<str> = sub_policy.into();
        let pair = (policy, Arc::clone(&sub_policy), of_decider);
        if let Some(number) = self.with_sub_policies.get(&pair) {
            return *number;
        }
        if self.with_sub_policies.len() >= POLICIES_MAX {
            return policy;
        }
        let number = self.push(Decider::new(name).with(sub_policy, of_decider));
        self.with_sub_policies.insert(pair, number);
        number
    }

    /// The number of one more. There are far fewer than numbers.
    fn push(&mut self, decider: Decider) -> PolicyNumber {
        let Ok(number) = u16::try_from(self.deciders.len() + 1) else { return PolicyNumber::NONE };
        self.deciders.push(decider);
        PolicyNumber(number)
    }

    /// The name of the policy of a number.
    pub(crate) fn name(&self, number: PolicyNumber) -> Option<&Arc<str>> {
        self.decider(number).map(|decider| &decider.policy)
    }

    /// The name of the policy within a composite one, if one is told.
    pub(crate) fn sub_policy(&self, number: PolicyNumber) -> Option<&str> {
        self.decider(number)?.sub_policy.as_deref()
    }

    /// Why spans are kept, in one text; those that came after the decision have another. There is none
    /// where the policy is not known.
    pub(crate) fn reason(&self, number: PolicyNumber, late: bool) -> Option<&str> {
        match self.decider(number) {
            None => late.then_some(ONLY_LATE),
            Some(decider) if late => Some(&decider.late_reason),
            Some(decider) => decider.late_reason.strip_suffix(LATE),
        }
    }

    fn decider(&self, number: PolicyNumber) -> Option<&Decider> {
        self.deciders.get(usize::from(number.0).checked_sub(1)?)
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

    #[test]
    fn reasons_are_those_of_refinery() {
        let mut names = PolicyNames::default();
        let errors = names.number("errors");
        let shares = names.number("shares");
        let within = names.with_sub_policy(shares, "checkout", true);
        let beside = names.with_sub_policy(errors, "checkout", false);
        for (number, reason) in [
            (errors, "rules/trace/errors"),
            (shares, "rules/trace/shares"),
            (within, "rules/trace/shares:checkout"),
            (beside, "rules/trace/errors"),
        ] {
            assert_eq!(names.reason(number, false), Some(reason));
            let late = format!("{reason} - late arriving span");
            assert_eq!(names.reason(number, true), Some(late.as_str()));
        }
        assert_eq!(names.reason(PolicyNumber::NONE, false), None);
        assert_eq!(names.reason(PolicyNumber::NONE, true), Some("late arriving span"));
    }

    /// Names within composite policies take no room from those of policies, nor these from them.
    #[test]
    fn policies_within_others_have_numbers_up_to_a_bound() {
        let mut names = PolicyNames::default();
        let (shares, errors) = (names.number("shares"), names.number("errors"));
        let checkout = names.with_sub_policy(shares, "checkout", true);
        assert_eq!(names.with_sub_policy(shares, "checkout", true), checkout);
        assert_ne!(names.with_sub_policy(errors, "checkout", false), checkout);
        let told = |number| (names.name(number).map(AsRef::as_ref), names.sub_policy(number));
        assert_eq!(told(checkout), (Some("shares"), Some("checkout")));
        assert_eq!(told(shares), (Some("shares"), None));
        assert_eq!(names.with_sub_policy(shares, "", true), shares);
        let none = PolicyNumber::NONE;
        assert_eq!(names.with_sub_policy(none, "checkout", true), none);

        for number in 0..2 * POLICIES_MAX {
            names.with_sub_policy(shares, &number.to_string(), true);
        }
        assert_eq!(names.with_sub_policy(shares, "one more", true), shares);
        assert_eq!(names.with_sub_policy(shares, "checkout", true), checkout);
        let later = names.number("later");
        assert_eq!(names.name(later).map(AsRef::as_ref), Some("later"));
        assert_eq!(names.sub_policy(later), None);
    }
}
