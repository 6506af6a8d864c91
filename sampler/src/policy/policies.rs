//! The `policies` list of the configuration, and the table of all types of policies.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wholetrace_runtime::problems::did_you_mean;

use crate::policy::{
    lower::{Lower, Lowering, SubPolicy},
    report::{Report, Unknown, list},
    rule::Rule,
    say::Said,
    types::{
        always_sample::AlwaysSampleConfig, and::AndConfig,
        boolean_attribute::BooleanAttributeConfig, bytes_limiting::BytesLimitingConfig,
        composite::CompositeConfig, drop::DropConfig, dynamic::DynamicConfig,
        latency::LatencyConfig, not::NotConfig, numeric_attribute::NumericAttributeConfig,
        or::OrConfig, ottl_condition::OttlConditionConfig, probabilistic::ProbabilisticConfig,
        probabilistic_sampler::ProbabilisticSamplerConfig, rate_limiting::RateLimitingConfig,
        span_count::SpanCountConfig, status_code::StatusCodeConfig,
        string_attribute::StringAttributeConfig, trace_condition::TraceConditionConfig,
        trace_flags::TraceFlagsConfig, trace_state::TraceStateConfig,
    },
};

/// Makes the configuration of a policy from the table of types: a row is the name of a type, which is
/// also the key of its settings, and what they are.
macro_rules! policy_types {
    ($($(#[doc = $doc:literal])+ $name:ident: $settings:ty,)+) => {
        /// A policy: a name, a type, and under the name of the type its settings. The same stands in
        /// the lists of policies that hold others.
        #[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
        #[serde(default)]
        pub struct PolicyConfig {
            /// Names the policy in metrics and decisions: not empty, and different from all others.
            /// Inside another it is for messages, in a `composite` one for spans too.
            pub name: String,
            /// The type, which is also the key of the settings.
            #[serde(rename = "type")]
            pub kind: String,
            /// Whether the policy is tried only: it is evaluated, counted and recorded, and changes no
            /// decision, also of type `drop`. Not for a policy inside another.
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            pub shadow: bool,
            $(
                $(#[doc = $doc])+
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $name: Option<$settings>,
            )+
            /// Keys that are refused.
            #[serde(flatten)]
            #[schemars(skip)]
            pub unknown: Unknown,
        }

        /// The names of all types of policies, in the order of the table.
        pub const POLICY_TYPES: &[&str] = &[$(stringify!($name)),+];

        impl PolicyConfig {
            /// The blocks of settings that are given.
            fn blocks(&self) -> Vec<&'static str> {
                let given = [$((stringify!($name), self.$name.is_some())),+];
                given.into_iter().filter(|(_, given)| *given).map(|(block, _)| block).collect()
            }

            /// Which traces the settings of its type say yes to, in words.
            fn say_settings(&self) -> Option<Said> {
                match self.kind.as_str() {
                    $(
                        stringify!($name) => {
                            let none = || <$settings>::default().say();
                            self.$name.as_ref().map_or_else(none, Lower::say)
                        }
                    )+
                    _ => None,
                }
            }

            /// The rule of the settings of its type, which is one of the table.
            fn lower_settings(
                &self,
                into: &mut Lowering<'_>,
                report: &mut Report<'_>,
            ) -> Option<Rule> {
                match self.kind.as_str() {
                    $(
                        stringify!($name) => {
                            settings(self.$name.as_ref(), stringify!($name), into, report)
                        }
                    )+
                    _ => None,
                }
            }
        }
    };
}

policy_types! {
    /// Keeps every trace; it has no settings.
    always_sample: AlwaysSampleConfig,
    /// Keeps traces that several policies would keep.
    and: AndConfig<PolicyConfig>,
    /// Keeps traces with a yes or a no under a key.
    boolean_attribute: BooleanAttributeConfig,
    /// Keeps so many bytes in a second.
    bytes_limiting: BytesLimitingConfig,
    /// Shares the spans to keep in a second among several policies.
    composite: CompositeConfig<PolicyConfig>,
    /// Discards traces, whatever other policies say.
    drop: DropConfig<PolicyConfig>,
    /// Keeps the rarer the more.
    dynamic: DynamicConfig,
    /// Keeps traces that lasted long.
    latency: LatencyConfig,
    /// Keeps traces that another policy would not keep.
    not: NotConfig<PolicyConfig>,
    /// Keeps traces with a whole number under a key that lies within bounds.
    numeric_attribute: NumericAttributeConfig,
    /// Keeps traces that one of several policies would keep.
    or: OrConfig<PolicyConfig>,
    /// Keeps traces for which a condition in OTTL holds.
    ottl_condition: OttlConditionConfig,
    /// Keeps a share of all traces.
    probabilistic: ProbabilisticConfig,
    /// Keeps the share of all traces that a Collector's head sampler keeps.
    probabilistic_sampler: ProbabilisticSamplerConfig,
    /// Keeps so many spans in a second.
    rate_limiting: RateLimitingConfig,
    /// Keeps traces of a number of spans.
    span_count: SpanCountConfig,
    /// Keeps traces with a span of given statuses.
    status_code: StatusCodeConfig,
    /// Keeps traces with a text attribute of given values.
    string_attribute: StringAttributeConfig,
    /// Keeps traces for which a condition on the whole trace holds.
    trace_condition: TraceConditionConfig,
    /// Keeps traces that a tracer has sampled; it has no settings.
    trace_flags: TraceFlagsConfig,
    /// Keeps traces with given values in their tracestate.
    trace_state: TraceStateConfig,
}

impl PolicyConfig {
    fn refuse_type(&self, report: &mut Report<'_>) {
        let (name, kind) = (&self.name, self.kind.as_str());
        let hint = did_you_mean(kind, POLICY_TYPES.iter().copied()).map_or_else(
            || format!("supported here are {}", list(POLICY_TYPES)),
            |meant| format!("did you mean `{meant}`?"),
        );
        report.under("type").bad_value(
            kind,
            format!("policy `{name}` is of an unknown type"),
            hint,
        );
    }

    /// Refuses keys that no policy has, and warns of settings for another type of policy.
    fn check_keys(&self, report: &mut Report<'_>) {
        let known: Vec<&str> =
            ["name", "type", "shadow"].iter().chain(POLICY_TYPES).copied().collect();
        report.refuse(&self.unknown, &known);
        for block in self.blocks().into_iter().filter(|block| *block != self.kind) {
            report.warn(
                block,
                "not looked at",
                format!("the type of the policy is `{}`", self.kind),
            );
        }
    }
}

impl SubPolicy for PolicyConfig {
    fn lower(&self, into: &mut Lowering<'_>, report: &mut Report<'_>) -> Option<Rule> {
        if !POLICY_TYPES.contains(&self.kind.as_str()) {
            self.refuse_type(report);
            return None;
        }
        self.check_keys(report);
        if self.shadow && into.is_nested() {
            let message = "is for policies that stand in no other";
            let hint = "try the outer one, or a copy of it: give `shadow` to that";
            report.under("shadow").error(message, hint);
            return None;
        }
        into.names.push(self.name.clone());
        let rule = self.lower_settings(into, report);
        into.names.pop();
        rule
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn say(&self) -> Said {
        self.say_settings().unwrap_or_else(|| Said {
            traces: format!("that a policy of the type `{}` says yes to", self.kind),
            ..Said::default()
        })
    }
}

/// The rule of the settings of a policy of type `kind`.
fn settings<S: Lower>(
    given: Option<&S>,
    kind: &str,
    into: &mut Lowering<'_>,
    report: &mut Report<'_>,
) -> Option<Rule> {
    match given {
        Some(settings) => settings.lower(into, &mut report.under(kind)),
        None if S::NEEDS_SETTINGS => {
            let message = format!("a policy of type `{kind}` without its settings");
            report.error(message, format!("give them under `{kind}`"));
            None
        }
        None => S::default().lower(into, &mut report.under(kind)),
    }
}
