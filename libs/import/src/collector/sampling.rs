//! What samples in a Collector: a block of policies, and samplers by chance in front of it or behind it.
//!
//! A trace goes through only if all of them keep it. So each policy becomes an `and` with the samplers:
//! the same traces are kept, a threshold is the highest of all, and budgets are asked about nothing but
//! what the samplers let through.

use serde_json::{Map, Value, json};

use crate::{
    draft::Draft,
    report::{Place, Report},
};

/// The type of the processor, and of the policy that does the same.
const CHANCE: &str = "probabilistic_sampler";
/// Its settings.
const SETTINGS: [&str; 5] =
    ["sampling_percentage", "mode", "hash_seed", "fail_closed", "sampling_precision"];
/// Settings of it that are about logs.
const OF_LOGS: [&str; 3] = ["attribute_source", "from_attribute", "sampling_priority"];
/// Policies that keep so much in a second.
const BUDGETS: [&str; 3] = ["rate_limiting", "bytes_limiting", "composite"];

/// Where the policies stand.
const POLICIES: &str = "tail_sampling.policies";

/// All that samples, in the order in which spans go through it.
#[derive(Debug, Default)]
pub(crate) struct Sampling {
    block: Option<(Value, Place)>,
    chances: Vec<Chance>,
}

/// A sampler by chance.
#[derive(Debug)]
struct Chance {
    name: String,
    policy: Value,
    place: Place,
    /// Whether it has what the policies leave.
    is_behind: bool,
}

impl Sampling {
    /// Whether there is a block of policies.
    pub(crate) const fn has_block(&self) -> bool {
        self.block.is_some()
    }

    /// Takes a block of policies.
    pub(crate) fn block(&mut self, value: Value, place: Place) {
        self.block = Some((value, place));
    }

    /// Takes the sampler by chance under `name`, unless it is taken already.
    pub(crate) fn chance(&mut self, name: &str, value: &Value, place: &Place, report: &mut Report) {
        if self.chances.iter().any(|chance| chance.place == *place) {
            return;
        }
        let mut settings = Map::new();
        for (key, value) in value.as_object().into_iter().flatten() {
            let place = place.key(key);
            match key.as_str() {
                key if SETTINGS.contains(&key) => drop(settings.insert(key.into(), value.clone())),
                key if OF_LOGS.contains(&key) => report.not_needed(place, "it is about logs"),
                _ => report.lost(place, format!("a `{CHANCE}` has no such setting here"), ""),
            }
        }
        self.say(&settings, place, report);
        self.chances.push(Chance {
            name: name.to_owned(),
            policy: json!({ "name": name, "type": CHANCE, CHANCE: settings }),
            place: place.clone(),
            is_behind: self.has_block(),
        });
    }

    /// Says what a sampler with these settings does otherwise here.
    fn say(&self, settings: &Map<String, Value>, place: &Place, report: &mut Report) {
        let place = place.key("mode");
        match mode(settings) {
            "hash_seed" => report.lost(
                place,
                "the same traces are kept, but `hash_seed` has no threshold that tells what they count \
                 for: a tracestate has none behind it",
                "set `mode: equalizing`, which keeps as many traces, but others",
            ),
            "proportional" => {
                let consistent = |chance: &Chance| {
                    chance.policy[CHANCE].as_object().is_some_and(|one| mode(one) != "hash_seed")
                };
                if let Some(before) = self.chances.iter().rev().find(|one| consistent(one)) {
                    report.lost(
                        place,
                        format!(
                            "it takes its share of what `{}` leaves: here both take theirs of what comes",
                            before.name
                        ),
                        "multiply its `sampling_percentage` with the share of the other",
                    );
                }
            }
            _ => {}
        }
    }

    /// Puts all of it into `draft`, as one block.
    pub(crate) fn put(self, draft: &mut Draft, report: &mut Report) {
        let Self { block, chances } = self;
        match block {
            Some((block, place)) => {
                draft.section("tail_sampling", block, place.clone());
                if !chances.is_empty() {
                    join(&chances, &place, draft, report);
                }
            }
            None => alone(&chances, draft, report),
        }
    }
}

fn mode(settings: &Map<String, Value>) -> &str {
    let mode = settings.get("mode").and_then(Value::as_str).unwrap_or_default();
    if mode.is_empty() { "hash_seed" } else { mode }
}

/// Samplers where nothing else samples, as one policy.
fn alone(chances: &[Chance], draft: &mut Draft, report: &mut Report) {
    let Some(first) = chances.first() else { return };
    let policy = match chances {
        [only] => named("share", &only.policy),
        _ => {
            let all: Vec<&Value> = chances.iter().map(|chance| &chance.policy).collect();
            json!({ "name": "share", "type": "and", "and": { "and_sub_policy": all } })
        }
    };
    for chance in chances {
        report.taken(chance.place.clone(), "as a policy of `tail_sampling`");
    }
    let block = json!({ "decision_wait": "1s", "policies": [policy] });
    draft.section("tail_sampling", block, first.place.clone());
    draft.part(format!("{POLICIES}[0]"), first.place.clone());
}

/// Has the policies of the block from `place` keep only what `chances` keep, too.
fn join(chances: &[Chance], place: &Place, draft: &mut Draft, report: &mut Report) {
    let place = place.key("policies");
    let policies: Vec<Value> = items(draft.get(POLICIES)).cloned().collect();
    let mut joined = Joined { chances, draft };
    let all = policies.iter().enumerate().map(|(index, policy)| {
        joined.policy(policy, &format!("{POLICIES}[{index}]"), &place.item(index))
    });
    let all = all.collect();
    draft.replace(POLICIES, Value::Array(all));
    for Chance { name, place: own, is_behind, .. } in chances {
        let when = if *is_behind { "behind" } else { "before" };
        draft.comment(
            POLICIES,
            format!("`{name}` samples {when} these in a Collector: here it is a part of each."),
        );
        let said = "as a part of each policy of `tail_sampling`: only what both keep is kept";
        report.taken(own.clone(), said);
        for (index, policy) in policies.iter().enumerate() {
            if *is_behind && has_budget(policy) {
                report.lost(
                    place.item(index),
                    format!(
                        "its budget is full with what `{name}` keeps: in a Collector that keeps its share \
                         of what the budget leaves"
                    ),
                    "multiply the budget with the share that the sampler keeps",
                );
            }
        }
    }
}

/// Policies while samplers are joined to them.
struct Joined<'a> {
    chances: &'a [Chance],
    draft: &'a mut Draft,
}

impl Joined<'_> {
    /// `policy`, as it is at `from`, to stand at `path`: it says yes only where the samplers do.
    fn policy(&mut self, policy: &Value, path: &str, from: &Place) -> Value {
        let name = policy.get("name").unwrap_or(&Value::Null);
        let all =
            |list: Value| json!({ "name": name, "type": "and", "and": { "and_sub_policy": list } });
        let list = format!("{path}.and.and_sub_policy");
        match (kind(policy), self.chances) {
            ("always_sample", [only]) => {
                self.draft.part(path.to_owned(), only.place.clone());
                named(name.as_str().unwrap_or_default(), &only.policy)
            }
            ("and" | "composite", _) => self.inside(policy, path, from),
            // It keeps nothing, so that it need not know of samplers.
            ("drop", _) if has_budget(policy) => self.inside(policy, path, from),
            ("drop", _) => policy.clone(),
            _ => all(self.list(&list, vec![(policy, from.clone())])),
        }
    }

    /// `policy`, of which no part asks a budget about traces that the samplers do not let through.
    fn inside(&mut self, policy: &Value, path: &str, from: &Place) -> Value {
        let kind = kind(policy);
        let key = format!("{kind}_sub_policy");
        let (path, from) = (format!("{path}.{kind}.{key}"), from.key(kind).key(&key));
        let parts = items(policy.get(kind).and_then(|settings| settings.get(&key)));
        let parts: Vec<(&Value, Place)> =
            parts.enumerate().map(|(index, part)| (part, from.item(index))).collect();
        let list = match kind {
            "and" | "drop" => self.list(&path, parts),
            "composite" | "not" => parts
                .into_iter()
                .enumerate()
                .map(|(index, (part, from))| self.policy(part, &format!("{path}[{index}]"), &from))
                .collect(),
            _ => return policy.clone(),
        };
        let mut policy = policy.clone();
        if let Some(Value::Object(settings)) = policy.get_mut(kind) {
            settings.insert(key, list);
        }
        policy
    }

    /// The list at `path` of the samplers, and behind them `parts`.
    fn list(&mut self, path: &str, parts: Vec<(&Value, Place)>) -> Value {
        let mut list = Vec::with_capacity(self.chances.len() + parts.len());
        for Chance { policy, place, .. } in self.chances {
            self.draft.part(format!("{path}[{}]", list.len()), place.clone());
            list.push(policy.clone());
        }
        for (part, from) in parts {
            let path = format!("{path}[{}]", list.len());
            self.draft.moved(path.clone(), from.clone());
            let is_open = has_budget(part);
            list.push(if is_open { self.inside(part, &path, &from) } else { part.clone() });
        }
        Value::Array(list)
    }
}

fn kind(policy: &Value) -> &str {
    policy.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// The items of a list; what is no list stands for a list of it.
fn items(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    let one = value.filter(|value| value.is_object());
    value.and_then(Value::as_array).into_iter().flatten().chain(one)
}

/// Whether `policy`, or one in it, keeps so much in a second.
fn has_budget(policy: &Value) -> bool {
    match policy {
        Value::Array(items) => items.iter().any(has_budget),
        Value::Object(map) => BUDGETS.contains(&kind(policy)) || map.values().any(has_budget),
        _ => false,
    }
}

/// `policy` under this name.
fn named(name: &str, policy: &Value) -> Value {
    let mut policy = policy.clone();
    policy["name"] = name.into();
    policy
}
