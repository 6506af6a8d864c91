//! From the settings of a policy to its rule.

use crate::policy::{
    budget::{Budget, BudgetId, Goal, Unit},
    compatibility::Compatibility,
    plan::{FIELDS_MAX, Fact, Full, LeastHash, Planner},
    report::Report,
    rule::{Room, Rule},
    say::Said,
};

/// How deep policies may stand in one another. A Collector knows three levels.
const DEPTH_MAX: usize = 16;

/// The settings of a type of policy.
pub(super) trait Lower: Default {
    /// Whether a policy of the type is nothing without its block of settings.
    const NEEDS_SETTINGS: bool = true;

    /// The rule of these settings, which asks `into` for what it wants to know. What is wrong is
    /// told to `report`, which stands at the block; `None` if anything is wrong.
    fn lower(&self, into: &mut Lowering<'_>, report: &mut Report<'_>) -> Option<Rule>;

    /// Which traces these settings say yes to, in words; `None` where there are no words for it.
    fn say(&self) -> Option<Said> {
        None
    }
}

/// A policy inside another.
pub(super) trait SubPolicy {
    /// Its rule; `None` if anything is wrong with it, which `report` is told.
    fn lower(&self, into: &mut Lowering<'_>, report: &mut Report<'_>) -> Option<Rule>;

    /// Its name.
    fn name(&self) -> &str;

    /// Which traces it says yes to, in words.
    fn say(&self) -> Said;
}

/// What the policies of a set are lowered into.
#[derive(Debug)]
pub(super) struct Lowering<'p> {
    pub(super) planner: &'p mut Planner,
    pub(super) compatibility: Compatibility,
    /// What has been asked of budgets.
    pub(super) budgets: Vec<Budget>,
    /// The names of the policy that is lowered and of those that it stands in.
    pub(super) names: Vec<String>,
    /// The names of policies within composite ones that are to be told; `None` if none are.
    pub(super) told: Option<Vec<String>>,
    depth: usize,
    /// In how many policies what is lowered stands that tell no names of what is in them.
    untold: usize,
}

impl<'p> Lowering<'p> {
    /// One that notes names of policies within composite ones if they are to be `told`.
    pub(super) fn new(planner: &'p mut Planner, compatibility: Compatibility, told: bool) -> Self {
        let told = told.then(Vec::new);
        Self {
            planner,
            compatibility,
            budgets: Vec::new(),
            names: Vec::new(),
            told,
            depth: 0,
            untold: 0,
        }
    }

    /// The number of the name of a policy within the composite one that is lowered, if it is to be told.
    pub(super) fn name_to_tell(&mut self, name: &str) -> Option<u16> {
        let told = self.told.as_mut().filter(|_| self.untold == 0)?;
        let number = u16::try_from(told.len()).ok()?;
        told.push(name.to_owned());
        Some(number)
    }

    /// What `lower` makes of policies that no name is told of: what they say yes to is not what their
    /// policy keeps, or that has a name for them already.
    pub(super) fn untold<T>(&mut self, lower: impl FnOnce(&mut Self) -> T) -> T {
        self.untold += 1;
        let lowered = lower(self);
        self.untold -= 1;
        lowered
    }

    /// The rule that keeps so many spans in a second, by their randomness.
    pub(super) fn spans_per_second(&mut self, spans: i64) -> Option<Rule> {
        if spans <= 0 {
            return Some(Rule::Any(Box::default()));
        }
        #[expect(clippy::cast_precision_loss, reason = "nobody tells such rates apart")]
        self.budget(Unit::Spans, Goal::PerSecond(spans as f64), Box::default(), 0)
    }

    /// The rule that keeps what a budget has room for. The budget is named as the policy, with those
    /// that it stands in. `key` tells kinds of traces apart, of which `max_keys` have a threshold of
    /// their own.
    pub(super) fn budget(
        &mut self,
        unit: Unit,
        goal: Goal,
        key: Box<[LeastHash]>,
        max_keys: u16,
    ) -> Option<Rule> {
        let name = self.names.join("/");
        let others = |name: &str| self.budgets.iter().any(|budget| budget.name == name);
        let numbered = (2..).map(|number| format!("{name}#{number}"));
        let name = std::iter::once(name.clone()).chain(numbered).find(|name| !others(name))?;
        // A set has far fewer policies.
        let budget = BudgetId(u16::try_from(self.budgets.len()).ok()?);
        self.budgets.push(Budget { name, unit, goal, max_keys });
        self.planner.randomness();
        self.planner.incoming_threshold();
        if unit == Unit::Bytes {
            self.planner.bytes();
        }
        Some(Rule::Budget(Box::new(Room { budget, spans: self.planner.spans(), key })))
    }

    /// The fact (or what was made of it), unless there was no room for it.
    pub(super) fn fact<F>(&mut self, asked: Result<F, Full>, report: &mut Report<'_>) -> Option<F> {
        if asked.is_err() {
            let message = format!(
                "more than `{}` different conditions, or `{FIELDS_MAX}` fields in them",
                Fact::MAX
            );
            report.error(message, "join values of one key in one policy where you can");
        }
        asked.ok()
    }

    /// The rules of the policies in the list under `key`. All are lowered before one that fails ends
    /// it, so that all problems are told.
    pub(super) fn all<P: SubPolicy>(
        &mut self,
        policies: &[P],
        key: &str,
        report: &mut Report<'_>,
    ) -> Option<Box<[Rule]>> {
        if self.depth == DEPTH_MAX {
            let message = format!("stands inside `{DEPTH_MAX}` others, which is the most");
            report.under(key).error(message, "take policies out of one another");
            return None;
        }
        self.depth += 1;
        let rules: Vec<Option<Rule>> = (0..)
            .zip(policies)
            .map(|(index, policy)| policy.lower(self, &mut report.item(key, index)))
            .collect();
        self.depth -= 1;
        rules.into_iter().collect()
    }

    /// Whether what is lowered stands inside another policy.
    pub(super) const fn is_nested(&self) -> bool {
        self.depth > 0
    }
}
