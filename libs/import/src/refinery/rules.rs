//! Samplers, as policies.
//!
//! Refinery takes the first rule that matches, and a trace is kept here if any policy keeps it. So a
//! policy leaves out the traces of rules before it that do not keep all of theirs.

use serde_json::{Value, json};

use crate::{
    front::Unreadable,
    refinery::{
        condition::{self, Test, grouped, not},
        dynamic,
    },
    report::{Place, Report},
};

/// A policy, and the rule that it is from.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) value: Value,
    pub(crate) comment: String,
    pub(crate) place: Place,
}

/// What becomes of the traces of a rule.
enum Outcome {
    /// All are kept.
    Kept,
    /// Some are, as this policy has it.
    Some(Value),
    Dropped,
}

/// A rule that keeps traces from the policies behind it.
struct Before {
    name: String,
    /// The policy that keeps what it matches.
    matches: Value,
}

/// The policies that do what `sampler` does.
pub(crate) fn policies(
    sampler: &Value,
    place: &Place,
    report: &mut Report,
) -> Result<Vec<Policy>, Unreadable> {
    let Some((kind, settings)) = sampler.as_object().and_then(|map| map.iter().next()) else {
        let (file, path) = (&place.file, &place.path);
        return Err(Unreadable(format!("{file}: `{path}` names no sampler")));
    };
    let place = place.key(kind);
    if kind == "RulesBasedSampler" {
        if settings.get("CheckNestedFields").and_then(Value::as_bool) == Some(true) {
            report.lost(
                place.key("CheckNestedFields"),
                "attributes that are JSON are texts here: what is in them is not looked at",
                "have a Collector in front move it to attributes of its own, with `transform`",
            );
        }
        let rules = settings.get("Rules").and_then(Value::as_array).cloned().unwrap_or_default();
        return Ok(Rules::new(place.key("Rules"), report).all(&rules));
    }
    let (value, comment) = match outcome(kind, settings, &place, report) {
        Some(Outcome::Some(policy)) => (named("sampled", policy), rate_comment(settings)),
        Some(_) => (json!({ "name": "everything", "type": "always_sample" }), String::new()),
        None => {
            let (file, path) = (&place.file, &place.path);
            return Err(Unreadable(format!("{file}: `{path}` is no sampler that is known")));
        }
    };
    report.taken(place.clone(), "as a policy of `tail_sampling`");
    Ok(vec![Policy { value, comment, place }])
}

/// What a sampler of type `kind` does with traces; `None` if it is not known.
fn outcome(kind: &str, settings: &Value, place: &Place, report: &mut Report) -> Option<Outcome> {
    if kind == "DeterministicSampler" {
        return Some(match rate(settings) {
            0 | 1 => Outcome::Kept,
            rate => Outcome::Some(share(rate)),
        });
    }
    dynamic::policy(kind, settings, place, report).map(Outcome::Some)
}

fn rate(settings: &Value) -> u64 {
    settings.get("SampleRate").and_then(Value::as_u64).unwrap_or(0)
}

/// A policy that keeps one trace of `rate`.
fn share(rate: u64) -> Value {
    let percentage = 100.0 / rate as f64;
    json!({
        "name": format!("1 in {rate}"), "type": "probabilistic",
        "probabilistic": { "sampling_percentage": percentage },
    })
}

fn rate_comment(settings: &Value) -> String {
    match rate(settings) {
        0 | 1 => String::new(),
        rate => format!("1 in {rate}"),
    }
}

/// The policy under this name.
fn named(name: &str, mut policy: Value) -> Value {
    policy["name"] = name.into();
    policy
}

/// A policy that keeps what all of `policies` would keep.
fn all_of(name: &str, mut policies: Vec<Value>) -> Value {
    match policies.len() {
        0 => json!({ "name": name, "type": "always_sample" }),
        1 => named(name, policies.remove(0)),
        _ => {
            distinct(&mut policies);
            json!({ "name": name, "type": "and", "and": { "and_sub_policy": policies } })
        }
    }
}

/// `policies`, with conditions on spans in one policy: it asks for any of them.
fn joined(policies: impl Iterator<Item = Value>) -> Vec<Value> {
    let (spans, mut others): (Vec<Value>, Vec<Value>) =
        policies.partition(|policy| policy["type"] == "ottl_condition");
    let expressions: Vec<Value> = spans
        .iter()
        .filter_map(|policy| policy.pointer("/ottl_condition/span")?.as_array())
        .flatten()
        .cloned()
        .collect();
    if !expressions.is_empty() {
        let names: Vec<&str> = spans.iter().filter_map(|one| one["name"].as_str()).collect();
        let name = names.join(", ");
        let body = json!({ "span": expressions });
        let any = json!({ "name": name, "type": "ottl_condition", "ottl_condition": body });
        others.insert(0, any);
    }
    others
}

/// Tells policies of the same name apart.
fn distinct(policies: &mut [Value]) {
    let mut seen: Vec<String> = Vec::new();
    for policy in policies {
        let name = policy.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let name = free(&name, &seen);
        policy["name"] = name.as_str().into();
        seen.push(name);
    }
}

/// `name`, or it with a number, so that it is none of `taken`.
fn free(name: &str, taken: &[String]) -> String {
    let mut free = name.to_owned();
    let mut number = 2;
    while taken.contains(&free) {
        free = format!("{name} {number}");
        number += 1;
    }
    free
}

struct Rules<'a> {
    place: Place,
    report: &'a mut Report,
    policies: Vec<Policy>,
    names: Vec<String>,
    /// Rules whose traces the policies behind them leave out.
    before: Vec<Before>,
    /// Whether a rule before has kept something: its traces must not be dropped.
    keeps: bool,
}

impl<'a> Rules<'a> {
    fn new(place: Place, report: &'a mut Report) -> Self {
        Self { place, report, policies: vec![], names: vec![], before: vec![], keeps: false }
    }

    fn all(mut self, rules: &[Value]) -> Vec<Policy> {
        for (index, rule) in rules.iter().enumerate() {
            if self.rule(index, rule) {
                for rest in index + 1..rules.len() {
                    let place = self.place.item(rest);
                    self.report.not_needed(place, "no trace gets there: a rule before it has all");
                }
                return self.policies;
            }
        }
        let comment = "Traces that no rule matches are kept.";
        let place = self.place.clone();
        self.keep("rest", Vec::new(), comment.to_owned(), place);
        self.policies
    }

    /// Takes a rule; `true` if it matches all traces.
    fn rule(&mut self, index: usize, rule: &Value) -> bool {
        let place = self.place.item(index);
        let word = |key: &str| rule.get(key).and_then(Value::as_str);
        let name = word("Name").map_or_else(|| format!("rule {}", index + 1), str::to_owned);
        let name = free(&name, &self.names);
        let Some(conditions) = self.conditions(rule, &place) else { return false };
        self.names.push(name.clone());
        let matches_all = conditions.is_empty();
        let outcome = self.outcome(rule, &place);
        let matches = all_of(&name, conditions.clone());
        let mut comment = String::new();
        match outcome {
            Outcome::Dropped if !self.keeps && self.before.is_empty() => {
                let list = if matches_all { vec![matches] } else { conditions };
                let value =
                    json!({ "name": name, "type": "drop", "drop": { "drop_sub_policy": list } });
                self.report.taken(place.clone(), "as a `drop` policy");
                self.policies.push(Policy { value, comment, place });
            }
            Outcome::Dropped => {
                let what =
                    "as a `not` in the policies behind it: rules before it keep some of its traces";
                self.report.taken(place, what);
                self.before.push(Before { name, matches });
            }
            Outcome::Kept => {
                self.keep(&name, conditions, comment, place);
            }
            Outcome::Some(policy) => {
                if policy["type"] == "probabilistic" {
                    policy["name"].as_str().unwrap_or_default().clone_into(&mut comment);
                }
                let parts = [conditions, vec![policy]].concat();
                self.keep(&name, parts, comment, place);
                self.before.push(Before { name, matches });
            }
        }
        matches_all
    }

    /// Adds a policy that keeps what all of `parts` would keep, without the traces of rules before.
    fn keep(&mut self, name: &str, parts: Vec<Value>, mut comment: String, place: Place) {
        let mut parts = parts;
        let names: Vec<String> =
            self.before.iter().map(|before| format!("`{}`", before.name)).collect();
        if let Some(guard) = self.guard() {
            parts.insert(0, guard);
            if !comment.is_empty() {
                comment.push_str(", ");
            }
            comment.push_str(&format!("without the traces of {}", names.join(", ")));
        }
        if parts.is_empty() {
            // A policy that keeps everything, or a rule without conditions.
            parts.push(json!({ "name": name, "type": "always_sample" }));
        }
        let said = match names.as_slice() {
            [] => format!("as the policy `{name}`"),
            names => format!(
                "as the policy `{name}`, without the traces of {}: their rules come before it",
                names.join(", ")
            ),
        };
        self.report.taken(place.clone(), said);
        self.policies.push(Policy { value: all_of(name, parts), comment, place });
        self.keeps = true;
    }

    /// A policy that keeps what no rule before matches.
    fn guard(&self) -> Option<Value> {
        let mut each = joined(self.before.iter().map(|before| before.matches.clone()));
        let of = match each.len() {
            0 => return None,
            1 => each.remove(0),
            _ => json!({ "name": "rules before", "type": "or", "or": { "or_sub_policy": each } }),
        };
        Some(not("not before", &of))
    }

    fn outcome(&mut self, rule: &Value, place: &Place) -> Outcome {
        if rule.get("Drop").and_then(Value::as_bool) == Some(true) {
            return Outcome::Dropped;
        }
        let sampler = rule.get("Sampler").and_then(Value::as_object);
        if let Some((kind, settings)) = sampler.and_then(|map| map.iter().next()) {
            let place = place.key("Sampler").key(kind);
            if let Some(outcome) = outcome(kind, settings, &place, self.report) {
                return outcome;
            }
            let what = "there is no sampler like this one: all traces of the rule are kept";
            self.report.lost(place, what, "write a policy for them by hand: docs/policies.md");
            return Outcome::Kept;
        }
        match rate(rule) {
            0 => Outcome::Dropped,
            1 => Outcome::Kept,
            rate => Outcome::Some(share(rate)),
        }
    }

    /// Policies of which each must hold for the rule; `None` where one cannot be said.
    fn conditions(&mut self, rule: &Value, place: &Place) -> Option<Vec<Value>> {
        let conditions = rule.get("Conditions").and_then(Value::as_array);
        let of_span = rule.get("Scope").and_then(Value::as_str) == Some("span");
        let (mut policies, mut of_one_span) = (Vec::new(), Vec::new());
        for (index, condition) in conditions.into_iter().flatten().enumerate() {
            let plain = if of_span { None } else { condition::plain(condition) };
            match plain.map_or_else(|| condition::test(condition), |one| Ok(Test::Trace(one))) {
                Ok(Test::Trace(policy)) => policies.push(policy),
                Ok(Test::Span(expression)) if of_span => of_one_span.push(grouped(&expression)),
                Ok(Test::Span(expression)) => {
                    let name = condition.get("Field").and_then(Value::as_str);
                    let fields = condition.pointer("/Fields/0").and_then(Value::as_str);
                    let name = name.or(fields).unwrap_or("condition");
                    policies.push(condition::policy(name, &expression));
                }
                Err(why) => {
                    self.report.lost(
                        place.key("Conditions").item(index),
                        format!(
                            "{why}: the rule is left out, and its traces go to the rules behind it"
                        ),
                        "write a policy for them by hand: docs/policies.md",
                    );
                    return None;
                }
            }
        }
        if !of_one_span.is_empty() {
            policies.push(condition::policy("one span", &of_one_span.join(" and ")));
        }
        Some(policies)
    }
}
