//! The documentation of the metrics, made from their tables.

use std::fmt::Write as _;

use crate::metrics::table::{Kind, Metric, Values};

/// A Markdown page that lists the metrics of `sections`: heading and table of each.
#[must_use]
pub fn markdown(sections: &[(&str, &[Metric])]) -> String {
    let mut page = String::from(
        "# Metrics\n\n\
         Generated from the tables in the sources (`UPDATE_DOCS=1 cargo test --test docs` writes \
         it). `GET /metrics` on the admin listener answers in the Prometheus text format. Counters \
         start at 0 with the process. *Dropped* means lost by us; a policy's no is *not sampled*.\n",
    );
    for (heading, table) in sections {
        let _ = write!(
            page,
            "\n## {heading}\n\n| name | kind | unit | labels | what it says |\n|---|---|---|---|---|\n"
        );
        for metric in *table {
            let _ = writeln!(
                page,
                "| `{}` | {} | {} | {} | {} |",
                metric.name,
                metric.kind.name(),
                metric.unit.name(),
                labels(metric),
                help(metric),
            );
        }
    }
    page
}

fn labels(metric: &Metric) -> String {
    let label = |label: &crate::metrics::table::Label| match label.values {
        Values::Closed(values) => {
            let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
            format!("`{}`: {}", label.name, values.join(", "))
        }
        Values::Capped(what) => format!("`{}`: {what}", label.name),
    };
    metric.labels.iter().map(label).collect::<Vec<_>>().join("; ")
}

fn help(metric: &Metric) -> String {
    let mut help = metric.help.replace('\n', " ").replace('|', "\\|");
    if metric.kind == Kind::Histogram {
        let bounds: Vec<String> = metric.buckets.iter().map(ToString::to_string).collect();
        let _ = write!(help, " Buckets: {}.", bounds.join(", "));
    }
    help
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::table::{Label, Unit};

    #[test]
    fn a_metric_is_a_row() {
        const TABLE: &[Metric] = &[Metric::counter("a_spans_total", Unit::None, "Spans | more.")
            .labels(&[
                Label::closed("reason", &["x", "y"]),
                Label::capped("exporter", "its name"),
            ])];
        let page = markdown(&[("Area", TABLE)]);
        assert!(page.contains("## Area"));
        let row = "| `a_spans_total` | counter |  | `reason`: `x`, `y`; `exporter`: its name | \
                   Spans \\| more. |";
        assert!(page.contains(row), "{page}");
    }
}
