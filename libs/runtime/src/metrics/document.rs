//! The documentation of the metrics, made from their tables.

use std::fmt::Write as _;

use crate::{
    metrics::table::{Kind, Label, Metric, Values},
    page::{CELL_CHARS, Notes},
};

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
        let mut notes = Notes::default();
        for metric in *table {
            let _ = writeln!(
                page,
                "| `{}` | {} | {} | {} | {} |",
                metric.name,
                metric.kind.name(),
                metric.unit.name(),
                labels(metric, &mut notes),
                notes.cell(metric.name, &help(metric)),
            );
        }
        page.push_str(&notes.markdown());
    }
    page
}

fn labels(metric: &Metric, notes: &mut Notes) -> String {
    let mut label = |label: &Label| match label.values {
        Values::Closed(values) => {
            let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
            let values = values.join(", ");
            if values.chars().count() > CELL_CHARS / 2 {
                notes.add(metric.name, &format!("`{}` is one of {values}.", label.name));
                return format!("`{}`: below", label.name);
            }
            format!("`{}`: {values}", label.name)
        }
        Values::Capped(what) => format!("`{}`: {what}", label.name),
    };
    metric.labels.iter().map(&mut label).collect::<Vec<_>>().join("; ")
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
    use crate::metrics::table::Unit;

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

    #[test]
    fn what_is_long_stands_below_the_table() {
        const VALUES: [&str; 20] = ["a_reason"; 20];
        const TABLE: &[Metric] = &[
            Metric::counter("a_total", Unit::None, "A.")
                .labels(&[Label::closed("reason", &VALUES)]),
            Metric::counter("b_total", Unit::None, "B.")
                .labels(&[Label::closed("reason", &VALUES)]),
        ];
        let page = markdown(&[("Area", TABLE)]);
        assert!(page.contains("| `a_total` | counter |  | `reason`: below | A. |"), "{page}");
        assert!(page.contains("\n\n* `a_total`, `b_total`: `reason` is one of `a_reason`, "));
    }
}
