//! The figures of all rounds, and how they are told.

/// Nanoseconds of CPU time.
#[derive(Clone, Copy)]
pub(crate) struct Ours {
    /// For each span.
    pub(crate) observe: f64,
    /// For each trace.
    pub(crate) decide: f64,
}

/// Nanoseconds of CPU time for each span.
#[derive(Clone, Copy)]
pub(crate) struct Collectors {
    pub(crate) decode: f64,
    pub(crate) consume: f64,
    pub(crate) decide: f64,
    /// All of it in one go.
    pub(crate) whole: f64,
}

/// What was measured of one set.
pub(crate) struct Row {
    name: &'static str,
    pub(crate) ours: Vec<Ours>,
    pub(crate) collectors: Vec<Collectors>,
}

impl Row {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name, ours: Vec::new(), collectors: Vec::new() }
    }

    fn ours(&self, figure: impl Fn(&Ours) -> f64) -> Spread {
        Spread::of(self.ours.iter().map(figure))
    }

    /// What a span costs here, with its part of the decision.
    fn span(&self, spans_per_trace: f64) -> Spread {
        self.ours(|one| one.observe + one.decide / spans_per_trace)
    }

    fn collectors(&self, figure: impl Fn(&Collectors) -> f64) -> Spread {
        Spread::of(self.collectors.iter().map(figure))
    }
}

/// A median, the least and the most.
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(figures: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = figures.collect();
        sorted.sort_by(f64::total_cmp);
        Self { median: sorted[sorted.len() / 2], least: sorted[0], most: sorted[sorted.len() - 1] }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { median, least, most } = self;
        f.pad(&format!("{median:.0} ({least:.0}–{most:.0})"))
    }
}

/// Prints the medians. The first row is of a set that looks at nothing.
pub(crate) fn print(rows: &[Row], spans_per_trace: f64) {
    heading("ours, ns", &["observe, a span", "decide, a trace", "both, a span"]);
    for row in rows {
        let (observe, decide) = (row.ours(|one| one.observe), row.ours(|one| one.decide));
        line(row, &[observe, decide, row.span(spans_per_trace)]);
    }
    let Some(nothing) = rows.first().filter(|row| !row.collectors.is_empty()) else { return };

    heading("a Collector, ns a span", &["decode", "take in", "decide", "all in one go"]);
    for row in rows {
        let (decode, consume) =
            (row.collectors(|one| one.decode), row.collectors(|one| one.consume));
        let (decide, whole) = (row.collectors(|one| one.decide), row.collectors(|one| one.whole));
        line(row, &[decode, consume, decide, whole]);
    }

    heading("a Collector's by ours", &["decide", "decode + decide", "above the first"]);
    let medians = |row: &Row| {
        let decide = row.collectors(|one| one.decide).median;
        (row.span(spans_per_trace).median, row.collectors(|one| one.decode).median, decide)
    };
    let (least, _, least_decide) = medians(nothing);
    for row in rows {
        let (ours, decode, decide) = medians(row);
        print!("{:<30}{:>22.1}{:>22.1}", row.name, decide / ours, (decode + decide) / ours);
        let (above, theirs) = (ours - least, decide - least_decide);
        if above > 0.0 && theirs > 0.0 {
            // No quotient: where policies cost ours next to nothing, it would be of noise.
            print!("{:>22}", format!("{theirs:.0} by {above:.0}"));
        }
        println!();
    }
}

fn heading(what: &str, columns: &[&str]) {
    print!("\n{what:<30}");
    columns.iter().for_each(|column| print!("{column:>22}"));
    println!();
}

fn line(row: &Row, figures: &[Spread]) {
    print!("{:<30}", row.name);
    figures.iter().for_each(|figure| print!("{figure:>22}"));
    println!();
}
