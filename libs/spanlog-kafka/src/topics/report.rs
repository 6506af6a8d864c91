//! What a topic is, against what it must be.

use std::{collections::BTreeMap, fmt};

use wholetrace_spanlog::TopicName;

use crate::config::TopicSettings;

/// A topic as the brokers have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundTopic {
    /// Number of partitions.
    pub partitions: u32,
    /// Copies of the partition that has the fewest.
    pub replication_factor: u16,
    /// Copies that are up to date, of the partition that has the fewest.
    pub in_sync: u16,
    /// Partitions that cannot be used at the moment.
    pub leaderless: u32,
    /// Settings by their names in Kafka; empty where the brokers do not tell us.
    pub settings: BTreeMap<String, String>,
}

/// How bad a difference is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Costs something, loses nothing.
    Remark,
    /// Nobody can tell whether what was promised holds.
    Unknown,
    /// What was promised does not hold.
    Weak,
    /// It cannot work.
    Unusable,
}

/// In what a topic is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// How bad it is.
    pub severity: Severity,
    /// What differs.
    pub what: String,
    /// What to do about it, as far as a command can.
    pub remedy: String,
}

/// A topic, and in what it differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicReport {
    /// How it must be.
    pub settings: TopicSettings,
    /// How it is; `None` when it does not exist.
    pub found: Option<FoundTopic>,
    /// In what it differs, the worst first.
    pub differences: Vec<Difference>,
}

impl TopicReport {
    /// Compares. `brokers` is the bootstrap list for commands.
    pub(super) fn new(settings: TopicSettings, found: Option<FoundTopic>, brokers: &str) -> Self {
        let mut differences = match &found {
            Some(found) => Comparison { settings: &settings, found, brokers }.differences(),
            None => vec![Difference {
                severity: Severity::Unusable,
                what: "does not exist".to_owned(),
                remedy: "wholetrace topics create".to_owned(),
            }],
        };
        differences.sort_by_key(|difference| std::cmp::Reverse(difference.severity));
        Self { settings, found, differences }
    }

    /// The worst that is wrong with it.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.differences.iter().map(|difference| difference.severity).max()
    }
}

impl fmt::Display for TopicReport {
    /// A line for each difference, and one for what to do about it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Difference { what, remedy, .. }) in self.differences.iter().enumerate() {
            let line = if index > 0 { "\n" } else { "" };
            write!(f, "{line}  `{}` {what}", self.settings.topic)?;
            if !remedy.is_empty() {
                write!(f, "\n      {remedy}")?;
            }
        }
        Ok(())
    }
}

struct Comparison<'a> {
    settings: &'a TopicSettings,
    found: &'a FoundTopic,
    brokers: &'a str,
}

impl Comparison<'_> {
    fn differences(&self) -> Vec<Difference> {
        let mut found = Vec::new();
        self.layout(&mut found);
        if self.found.settings.is_empty() {
            found.push(Difference {
                severity: Severity::Unknown,
                what: "has settings that the brokers do not show".to_owned(),
                remedy:
                    "allow this client DescribeConfigs on it, or look by hand that they are as \
                         `wholetrace topics create` makes them"
                        .to_owned(),
            });
            return found;
        }
        for (name, wanted) in self.settings.kafka_settings() {
            let is = self.found.settings.get(name).map_or("unset", String::as_str);
            if let Some(severity) = differs(name, is, &wanted) {
                found.push(self.setting(severity, name, is, &wanted));
            }
        }
        found
    }

    /// Partitions and copies.
    fn layout(&self, differences: &mut Vec<Difference>) {
        let (settings, found) = (self.settings, self.found);
        let mut add = |severity, what: String, remedy: String| {
            differences.push(Difference { severity, what, remedy });
        };
        if found.partitions != settings.partitions {
            let remedy = match settings.holds {
                Some(TopicName::Spans) => {
                    "set `log.kafka.spans.partitions` to what it was created with, or name another \
                     topic"
                }
                _ => "name another topic, and let `wholetrace topics create` make it",
            };
            let what =
                format!("has {} partitions, must have {}", found.partitions, settings.partitions);
            add(Severity::Unusable, what, remedy.to_owned());
        }
        if found.replication_factor < settings.replication_factor {
            let (is, wanted) = (found.replication_factor, settings.replication_factor);
            let what = format!("has {is} copies, must have {wanted}");
            add(Severity::Weak, what, "kafka-reassign-partitions.sh adds copies".to_owned());
        }
        if found.leaderless > 0 {
            let what = format!("has {} partitions without a leader", found.leaderless);
            add(Severity::Remark, what, "start the brokers that have them".to_owned());
        } else if found.in_sync < found.replication_factor {
            let (is, of) = (found.in_sync, found.replication_factor);
            let what = format!("has a partition of which {is} of {of} copies are up to date");
            add(Severity::Remark, what, "start the brokers that have the others".to_owned());
        }
        let least = self.found.settings.get("min.insync.replicas");
        if let Some(least) = least.and_then(|least| least.parse::<u16>().ok())
            && least > found.replication_factor
        {
            let of = found.replication_factor;
            let what = format!("has {of} copies and asks for {least} of them: it takes nothing");
            let remedy = self.command("min.insync.replicas", &of.to_string());
            add(Severity::Unusable, what, remedy);
        }
    }

    fn setting(&self, severity: Severity, name: &str, is: &str, wanted: &str) -> Difference {
        let must = match severity {
            Severity::Remark => "should be",
            _ => "must be",
        };
        let at_least = if is_least(name) { " or more" } else { "" };
        Difference {
            severity,
            what: format!("has {name}={is}, {must} {wanted}{at_least}"),
            remedy: self.command(name, wanted),
        }
    }

    fn command(&self, name: &str, value: &str) -> String {
        format!(
            "kafka-configs.sh --bootstrap-server {} --alter --entity-type topics --entity-name {} \
             --add-config {name}={value}",
            self.brokers, self.settings.topic
        )
    }
}

/// Whether more than wanted is as good.
fn is_least(name: &str) -> bool {
    matches!(name, "min.insync.replicas" | "max.message.bytes" | "retention.ms" | "retention.bytes")
}

/// How bad it is that the setting `name` is `is` and not `wanted`, if it is.
fn differs(name: &str, is: &str, wanted: &str) -> Option<Severity> {
    if is == wanted {
        return None;
    }
    let number = |text: &str| match text.parse::<i64>() {
        // What is not bounded.
        Ok(-1) => i64::MAX,
        Ok(number) => number,
        Err(_) => i64::MIN,
    };
    match name {
        "min.insync.replicas" => (number(is) < number(wanted)).then_some(Severity::Weak),
        "max.message.bytes" | "retention.ms" | "retention.bytes" => {
            (number(is) < number(wanted)).then_some(Severity::Weak)
        }
        // Whole segments are deleted: larger ones are kept for longer than need be.
        "segment.ms" | "compression.type" => Some(Severity::Remark),
        // Spans have no keys: a compacted topic takes none.
        "cleanup.policy" if wanted == "delete" => Some(Severity::Unusable),
        _ => Some(Severity::Weak),
    }
}
