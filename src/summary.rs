//! A line every half minute that says what has happened: for who looks at a terminal, and has no
//! dashboard yet.

use std::{collections::BTreeMap, time::Duration};

use wholetrace_runtime::{metrics::Recorder, shutdown::Shutdown};

/// How often it is said.
const INTERVAL: Duration = Duration::from_secs(30);

/// So many policies are named.
const POLICIES: usize = 6;

/// Says it until `end`, as long as there is anything new.
pub(crate) async fn tell(recorder: Recorder, end: Shutdown) {
    let mut before = Figures::of(&recorder.render());
    loop {
        tokio::select! {
            () = end.requested() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
        let now = Figures::of(&recorder.render());
        if let Some(line) = now.since(&before) {
            tracing::info!("{line}");
        }
        before = now;
    }
}

/// What the line is made of, as the metrics have it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Figures {
    /// Sums of counters, by the name and the label that tell them apart.
    counts: BTreeMap<&'static str, f64>,
    /// Traces by the policy that has decided them.
    policies: BTreeMap<String, f64>,
    /// Exporters that fail at the moment.
    failing: Vec<String>,
    /// Age of the oldest record that is not finished, in seconds.
    oldest: f64,
}

/// The name, a part of the labels, and what that is called here.
const COUNTS: [(&str, &str, &str); 6] = [
    ("wholetrace_gateway_spans_total", "", "spans"),
    ("wholetrace_gateway_requests_refused_total", "", "refused"),
    ("wholetrace_sampler_traces_total", "", "traces"),
    ("wholetrace_sampler_decisions_total", "\"kept\"", "kept"),
    ("wholetrace_sampler_decisions_total", "\"not_sampled\"", "dropped"),
    ("wholetrace_exporter_sent_spans_total", "", "sent"),
];

impl Figures {
    /// Those in `text`, which is in the exposition format of Prometheus.
    fn of(text: &str) -> Self {
        let mut figures = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse::<f64>() else { continue };
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            for (_, _, what) in COUNTS
                .iter()
                .filter(|(counted, label, _)| *counted == name && labels.contains(label))
            {
                *figures.counts.entry(what).or_default() += value;
            }
            match name {
                "wholetrace_sampler_policy_decisions_total" => {
                    let policy = labels.split('"').nth(1).unwrap_or_default();
                    *figures.policies.entry(policy.to_owned()).or_default() += value;
                }
                "wholetrace_partition_unreleased_seconds" => {
                    figures.oldest = figures.oldest.max(value);
                }
                "wholetrace_exporter_failing" if value > 0.0 => {
                    figures.failing.push(labels.split('"').nth(1).unwrap_or_default().to_owned());
                }
                _ => {}
            }
        }
        figures
    }

    /// What is to be said of what came after `before`; nothing where nothing happened.
    fn since(&self, before: &Self) -> Option<String> {
        let more = |what: &str| {
            let count = |figures: &Self| figures.counts.get(what).copied();
            count(self).map(|now| now - count(before).unwrap_or_default())
        };
        if self.counts.keys().all(|what| more(what) == Some(0.0)) && self.failing.is_empty() {
            return None;
        }
        let mut parts = Vec::new();
        let part = |parts: &mut Vec<String>, words: &[(&str, &str)]| {
            let said: Vec<_> = words
                .iter()
                .filter_map(|(what, words)| Some(format!("{:.0} {words}", more(what)?)))
                .collect();
            if !said.is_empty() {
                parts.push(said.join(", "));
            }
        };
        part(&mut parts, &[("spans", "spans taken"), ("refused", "requests refused")]);
        part(&mut parts, &[("traces", "traces seen"), ("kept", "kept"), ("dropped", "not")]);
        parts.extend(self.decided_since(before));
        part(&mut parts, &[("sent", "spans exported")]);
        if self.oldest > 0.0 {
            parts.push(format!("the oldest unfinished span came {:.0} s ago", self.oldest));
        }
        if !self.failing.is_empty() {
            parts.push(format!("failing exporters: {}", self.failing.join(", ")));
        }
        Some(format!("in the last {} s: {}", INTERVAL.as_secs(), parts.join("; ")))
    }

    /// Which policies have decided how many traces, the busiest first.
    fn decided_since(&self, before: &Self) -> Option<String> {
        let more = |(policy, count): (&String, &f64)| {
            let more = count - before.policies.get(policy).copied().unwrap_or_default();
            (policy != "none" && more > 0.0).then(|| (policy.clone(), more))
        };
        let mut decided: Vec<_> = self.policies.iter().filter_map(more).collect();
        decided.sort_by(|(one, few), (other, many)| many.total_cmp(few).then(one.cmp(other)));
        let named = decided.len().min(POLICIES);
        let mut said: Vec<_> = decided
            .iter()
            .take(named)
            .map(|(policy, count)| format!("{policy} {count:.0}"))
            .collect();
        if decided.len() > named {
            said.push(format!("{} more policies", decided.len() - named));
        }
        (!said.is_empty()).then(|| format!("decided by {}", said.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "\
# HELP wholetrace_gateway_spans_total Spans.
wholetrace_gateway_spans_total{receiver=\"otlp/grpc\"} 5
wholetrace_gateway_spans_total{receiver=\"zipkin\"} 5
wholetrace_gateway_requests_refused_total{receiver=\"zipkin\",reason=\"path\"} 0
wholetrace_sampler_traces_total 3
wholetrace_sampler_decisions_total{verdict=\"kept\"} 1
wholetrace_sampler_decisions_total{verdict=\"not_sampled\"} 2
wholetrace_partition_unreleased_seconds{partition=\"0\"} 0
";
    const AFTER: &str = "\
wholetrace_gateway_spans_total{receiver=\"otlp/grpc\"} 25
wholetrace_gateway_spans_total{receiver=\"zipkin\"} 15
wholetrace_gateway_requests_refused_total{receiver=\"zipkin\",reason=\"path\"} 2
wholetrace_sampler_traces_total 13
wholetrace_sampler_decisions_total{verdict=\"kept\"} 4
wholetrace_sampler_decisions_total{verdict=\"not_sampled\"} 8
wholetrace_sampler_policy_decisions_total{policy=\"errors\"} 1
wholetrace_sampler_policy_decisions_total{policy=\"ten-percent\"} 2
wholetrace_sampler_policy_decisions_total{policy=\"none\"} 6
wholetrace_exporter_sent_spans_total{exporter=\"otlp/jaeger\"} 7
wholetrace_exporter_failing{exporter=\"otlp/jaeger\"} 1
wholetrace_exporter_failing{exporter=\"file\"} 0
wholetrace_partition_unreleased_seconds{partition=\"0\"} 3.2
wholetrace_partition_unreleased_seconds{partition=\"1\"} 10.1
";

    #[test]
    fn what_has_happened_is_one_line() {
        let (before, after) = (Figures::of(BEFORE), Figures::of(AFTER));
        assert_eq!(
            after.since(&before).as_deref(),
            Some(
                "in the last 30 s: 30 spans taken, 2 requests refused; 10 traces seen, 3 kept, \
                 6 not; decided by ten-percent 2, errors 1; 7 spans exported; the oldest unfinished span came 10 s ago; failing \
                 exporters: otlp/jaeger"
            )
        );
        assert_eq!(before.since(&before), None);
        // It goes on failing, which is worth a line.
        assert!(after.since(&after).is_some_and(|line| line.contains("0 spans taken")));
    }

    #[test]
    fn each_role_tells_what_it_does() {
        let gateway = Figures::of("wholetrace_gateway_spans_total{receiver=\"otlp/grpc\"} 5");
        let line = gateway.since(&Figures::default());
        assert_eq!(line.as_deref(), Some("in the last 30 s: 5 spans taken"));
    }
}
