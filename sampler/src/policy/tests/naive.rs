//! Policies once more, in the plainest way: over decoded spans, a policy at a time.

use regex::Regex;
use wholetrace_proto::{
    otlp::{KeyValue, Span, any_value::Value},
    tracestate::Threshold,
};

use crate::policy::{
    config::TailSamplingConfig,
    fnv,
    policies::PolicyConfig,
    tests::support::Trace,
    types::{
        boolean_attribute::BooleanAttributeConfig,
        latency::LatencyConfig,
        numeric_attribute::NumericAttributeConfig,
        probabilistic::ProbabilisticConfig,
        probabilistic_sampler::{ProbabilisticSamplerConfig, SamplerMode},
        string_attribute::StringAttributeConfig,
    },
};

/// Whether a trace is kept.
pub(super) fn is_kept(config: &TailSamplingConfig, trace: &Trace) -> bool {
    let yes = |kind: &str| {
        let obeyed = config.policies.iter().filter(|policy| !policy.shadow);
        let mut of_kind = obeyed.filter(|policy| (policy.kind == "drop") == (kind == "drop"));
        of_kind.any(|policy| says_yes(policy, trace))
    };
    !yes("drop") && yes("keep")
}

fn says_yes(policy: &PolicyConfig, trace: &Trace) -> bool {
    let all = |policies: &[PolicyConfig]| policies.iter().all(|policy| says_yes(policy, trace));
    match policy.kind.as_str() {
        "always_sample" => true,
        "status_code" => {
            let wanted = &policy.status_code.as_ref().unwrap().status_codes;
            let name = |code| ["UNSET", "OK", "ERROR"].get(code as usize).copied();
            let codes =
                trace.spans.iter().map(|(_, span)| span.status.as_ref().map_or(0, |s| s.code));
            codes.filter_map(name).any(|code| wanted.iter().any(|wanted| wanted == code))
        }
        "latency" => latency(policy.latency.as_ref().unwrap(), trace),
        "string_attribute" => string_attribute(policy.string_attribute.as_ref().unwrap(), trace),
        "probabilistic" => probabilistic(policy.probabilistic.as_ref().unwrap(), trace),
        "probabilistic_sampler" => {
            probabilistic_sampler(policy.probabilistic_sampler.as_ref().unwrap(), trace)
        }
        "numeric_attribute" => numeric(policy.numeric_attribute.as_ref().unwrap(), trace),
        "boolean_attribute" => boolean(policy.boolean_attribute.as_ref().unwrap(), trace),
        "span_count" => {
            let config = policy.span_count.as_ref().unwrap();
            let (count, most) = (trace.spans.len() as i64, config.max_spans);
            count >= config.min_spans && (most == 0 || count <= most)
        }
        "trace_flags" => trace.spans.iter().any(|(_, span)| span.flags % 2 == 1),
        "ottl_condition" => {
            let config = policy.ottl_condition.as_ref().unwrap();
            let holds = |(resource, span): &(Vec<KeyValue>, Span)| {
                config.span.iter().any(|condition| span_condition(condition, resource, span))
                    || config.spanevent.iter().any(|condition| event_condition(condition, span))
            };
            trace.spans.iter().any(holds)
        }
        "trace_state" => {
            let config = policy.trace_state.as_ref().unwrap();
            trace.spans.iter().any(|(_, span)| {
                let value = entry(&span.trace_state, &config.key);
                value.is_some_and(|value| config.values.contains(&value))
            })
        }
        "and" => all(&policy.and.as_ref().unwrap().and_sub_policy),
        "or" => {
            let policies = &policy.or.as_ref().unwrap().or_sub_policy;
            policies.iter().any(|policy| says_yes(policy, trace))
        }
        "not" => !all(&policy.not.as_ref().unwrap().not_sub_policy),
        "drop" => all(&policy.drop.as_ref().unwrap().drop_sub_policy),
        kind => panic!("{kind}"),
    }
}

fn latency(config: &LatencyConfig, trace: &Trace) -> bool {
    let known = |time: &u64| *time != 0;
    let spans = || trace.spans.iter().map(|(_, span)| span);
    let reversed = |span: &&Span| {
        let (start, end) = (span.start_time_unix_nano, span.end_time_unix_nano);
        known(&start) && known(&end) && end < start
    };
    let spans = || spans().filter(|span| !reversed(span));
    let start = spans().map(|span| span.start_time_unix_nano).filter(known).min();
    let end = spans().map(|span| span.end_time_unix_nano).filter(known).max();
    let (Some(start), Some(end)) = (start, end) else {
        return 0 > config.threshold_ms && (config.upper_threshold_ms >= 0);
    };
    let ms = (end.saturating_sub(start) / 1_000_000) as i64;
    ms > config.threshold_ms && (config.upper_threshold_ms == 0 || ms <= config.upper_threshold_ms)
}

fn string_attribute(config: &StringAttributeConfig, trace: &Trace) -> bool {
    let matches = |text: &str| {
        config.values.iter().any(|value| {
            if config.enabled_regex_matching {
                Regex::new(value).unwrap().is_match(text)
            } else {
                !value.is_empty() && value == text
            }
        })
    };
    let found = trace.spans.iter().any(|(resource, span)| {
        text(&config.key, resource).is_some_and(matches)
            || text(&config.key, &span.attributes)
                .is_some_and(|text| !text.is_empty() && matches(text))
    });
    found != config.invert_match
}

fn text<'a>(key: &str, attributes: &'a [KeyValue]) -> Option<&'a str> {
    let attribute = attributes.iter().find(|attribute| attribute.key == key)?;
    match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => Some(text),
        _ => Some(""),
    }
}

/// Whether one of the values under a key, the first of each list, passes.
fn any_value(trace: &Trace, key: &str, passes: impl Fn(Option<&Value>) -> bool) -> bool {
    let first = |attributes: &[KeyValue]| {
        let attribute = attributes.iter().find(|attribute| attribute.key == key);
        attribute.is_some_and(|a| passes(a.value.as_ref().and_then(|value| value.value.as_ref())))
    };
    trace.spans.iter().any(|(resource, span)| first(resource) || first(&span.attributes))
}

fn numeric(config: &NumericAttributeConfig, trace: &Trace) -> bool {
    let (least, most) = (config.min_value, config.max_value);
    let within = |value: Option<&Value>| {
        let number = if let Some(Value::IntValue(number)) = value { *number } else { 0 };
        (least == 0 || number >= least) && (most == 0 || number <= most)
    };
    any_value(trace, &config.key, within) != config.invert_match
}

fn boolean(config: &BooleanAttributeConfig, trace: &Trace) -> bool {
    let is = |value: Option<&Value>| matches!(value, Some(Value::BoolValue(true))) == config.value;
    any_value(trace, &config.key, is) != config.invert_match
}

/// The conditions that the tests use, by their text.
fn span_condition(condition: &str, resource: &[KeyValue], span: &Span) -> bool {
    let is = |attributes: &[KeyValue], key: &str, value: &str| {
        let first = attributes.iter().find(|attribute| attribute.key == key);
        let found = first.and_then(|attribute| attribute.value.as_ref()?.value.as_ref());
        matches!(found, Some(Value::StringValue(text)) if text == value)
    };
    let code = span.status.as_ref().map_or(0, |status| status.code);
    match condition {
        r#"attributes["k"] == "a" and attributes["kk"] == "b""# => {
            is(&span.attributes, "k", "a") && is(&span.attributes, "kk", "b")
        }
        r#"resource.attributes["k"] == "a" and status.code == STATUS_CODE_ERROR"# => {
            is(resource, "k", "a") && code == 2
        }
        r#"IsMatch(trace_state, "^vendor=x") or end_time_unix_nano - start_time_unix_nano > 7000000"# =>
        {
            let (start, end) = (span.start_time_unix_nano, span.end_time_unix_nano);
            span.trace_state.starts_with("vendor=x") || end as i64 - start as i64 > 7_000_000
        }
        _ => panic!("{condition}"),
    }
}

fn event_condition(condition: &str, span: &Span) -> bool {
    assert_eq!(condition, r#"name == "e" and span.attributes["k"] != nil"#);
    let key = span.attributes.iter().find(|attribute| attribute.key == "k");
    let is_set =
        key.is_some_and(|key| key.value.as_ref().is_some_and(|value| value.value.is_some()));
    is_set && span.events.iter().any(|event| event.name == "e")
}

/// The value under a key of a tracestate without defects.
fn entry(tracestate: &str, key: &str) -> Option<String> {
    let members = tracestate.split(',').map(str::trim).filter(|member| !member.is_empty());
    let mut pairs = members.filter_map(|member| member.split_once('='));
    pairs.find(|(of, _)| *of == key).map(|(_, value)| value.to_owned())
}

fn probabilistic(config: &ProbabilisticConfig, trace: &Trace) -> bool {
    let ratio = config.sampling_percentage / 100.0;
    match &config.hash_salt {
        Some(salt) => {
            let salt = if salt.is_empty() { "default-hash-seed" } else { salt };
            let mut bytes = salt.as_bytes().to_vec();
            bytes.extend(trace.id.to_be_bytes());
            fnv::hash(&bytes) <= fnv::greatest_kept(ratio)
        }
        None => {
            let threshold = Threshold::with_precision(ratio, config.sampling_precision);
            randomness(trace) >= threshold.get()
        }
    }
}

/// What a sub-key of the entry `ot` says, in 14 digits.
fn stated(span: &Span, key: &str) -> Option<u64> {
    let entry = entry(&span.trace_state, "ot")?;
    let mut parts = entry.split(';').filter_map(|part| part.split_once(':'));
    let digits = parts.find(|(of, _)| *of == key)?.1;
    u64::from_str_radix(&format!("{digits:0<14}"), 16).ok()
}

fn of_id(trace: &Trace) -> u64 {
    (trace.id % (1 << 56)) as u64
}

fn randomness(trace: &Trace) -> u64 {
    let stated = trace.spans.iter().filter_map(|(_, span)| stated(span, "rv"));
    stated.min().unwrap_or_else(|| of_id(trace))
}

fn probabilistic_sampler(config: &ProbabilisticSamplerConfig, trace: &Trace) -> bool {
    let spans = || trace.spans.iter().map(|(_, span)| span);
    let came = |span: &Span| stated(span, "th").unwrap_or(0);
    if spans().any(|span| came(span) > stated(span, "rv").unwrap_or_else(|| of_id(trace))) {
        return !config.fail_closed;
    }
    let share = f64::from(config.sampling_percentage) / 100.0;
    let least = spans().map(came).min().unwrap_or(0);
    let share = match config.mode {
        SamplerMode::HashSeed => {
            let (seed, id) = (config.hash_seed.to_le_bytes(), trace.id.to_be_bytes());
            let bucket = fnv::hash32(seed.into_iter().chain(id)) % 16_384;
            return f64::from(bucket) < (share * 16_384.0).floor();
        }
        SamplerMode::Equalizing => share,
        SamplerMode::Proportional if least > randomness(trace) => share,
        SamplerMode::Proportional => share * (1.0 - least as f64 / (1_u64 << 56) as f64),
    };
    randomness(trace) >= Threshold::with_precision(share, config.sampling_precision).get()
}
