//! The way of the spans through the pipelines of a Collector.

use crate::{
    collector::model::{Collector, Pipeline, kind},
    front::Unreadable,
    report::Report,
};

/// Pipelines that are one after the other, as one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flow {
    pub(crate) receivers: Vec<String>,
    pub(crate) processors: Vec<String>,
    pub(crate) exporters: Vec<String>,
    /// Processors of pipelines that only a part of the spans goes through.
    pub(crate) partly: Vec<String>,
}

/// Processors that change nothing of what a pipeline does to a trace.
const PASSING: [&str; 3] = ["batch", "memory_limiter", "groupbytrace"];

/// Connectors from which traces come out again.
const ROUTES: [&str; 3] = ["routing", "failover", "roundrobin"];

/// The flow of the pipeline that is `selected`, or of the one that samples. What other pipelines do is
/// told as lost.
pub(crate) fn of(
    collector: &Collector,
    selected: Option<&str>,
    report: &mut Report,
) -> Result<Flow, Unreadable> {
    let traces: Vec<&Pipeline> =
        collector.pipelines.iter().filter(|pipeline| pipeline.is_traces()).collect();
    let main = match selected {
        Some(name) => traces.iter().find(|pipeline| pipeline.name == name),
        None => traces
            .iter()
            .find(|pipeline| pipeline.has_processor("tail_sampling"))
            // Those that feed it are found from there.
            .or_else(|| traces.iter().find(|pipeline| collector.exports(pipeline)))
            .or_else(|| traces.first()),
    };
    let Some(main) = main else {
        let file = &collector.place.file;
        let names: Vec<String> = traces.iter().map(|one| format!("`{}`", one.name)).collect();
        return Err(Unreadable(match selected {
            Some(name) if !names.is_empty() => format!(
                "{file}: there is no pipeline `{name}` of traces: there are {}",
                names.join(", ")
            ),
            _ => format!("{file}: `service.pipelines` has no pipeline of traces, such as `traces`"),
        }));
    };
    let mut joined = Joined {
        collector,
        flow: Flow {
            receivers: main.receivers.clone(),
            processors: main.processors.clone(),
            exporters: main.exporters.clone(),
            partly: Vec::new(),
        },
        left: traces.iter().copied().filter(|pipeline| pipeline != main).collect(),
        report,
    };
    joined.taken(main, "");
    joined.upstream();
    joined.downstream();
    joined.beside();
    let flow = joined.flow;
    for pipeline in collector.pipelines.iter().filter(|pipeline| !pipeline.is_traces()) {
        let signal = kind(&pipeline.name);
        report.lost(
            collector.place.key("service.pipelines").key(&pipeline.name),
            format!("there are only traces here: {signal} stay with a Collector"),
            "go on running this pipeline in a Collector",
        );
    }
    Ok(flow)
}

struct Joined<'a> {
    collector: &'a Collector,
    flow: Flow,
    /// Pipelines of traces that are no part of the flow yet.
    left: Vec<&'a Pipeline>,
    report: &'a mut Report,
}

impl<'a> Joined<'a> {
    fn taken(&mut self, pipeline: &Pipeline, said: &str) {
        let place = self.collector.place.key("service.pipelines").key(&pipeline.name);
        self.report.taken(place, said);
    }

    /// Takes the pipelines for which `is_next` out of those that are left.
    fn next(&mut self, is_next: impl Fn(&Pipeline) -> bool) -> Vec<&'a Pipeline> {
        let (next, left) = self.left.iter().partition(|pipeline| is_next(pipeline));
        self.left = left;
        next
    }

    /// Puts the pipelines in front that feed it through connectors.
    fn upstream(&mut self) {
        while let Some(at) =
            self.flow.receivers.iter().position(|name| self.collector.is_connector(name))
        {
            let connector = self.flow.receivers.remove(at);
            self.passes(&connector);
            let feeding = self.next(|pipeline| pipeline.exporters.contains(&connector));
            let is_only_way = self.flow.receivers.is_empty();
            self.branch(&feeding, is_only_way);
            for pipeline in feeding {
                self.taken(pipeline, "feeds the pipeline that samples");
                let behind = std::mem::take(&mut self.flow.processors);
                self.flow.processors = pipeline.processors.iter().cloned().chain(behind).collect();
                add(&mut self.flow.receivers, &pipeline.receivers);
                for exporter in pipeline.exporters.iter().filter(|name| **name != connector) {
                    self.before(exporter, pipeline);
                }
            }
        }
    }

    /// Remembers the processors that not all spans go through, of `pipelines` that are beside each other.
    fn branch(&mut self, pipelines: &[&Pipeline], is_only_way: bool) {
        for name in pipelines.iter().flat_map(|pipeline| &pipeline.processors) {
            let is_in_all = pipelines.iter().all(|pipeline| pipeline.processors.contains(name));
            if !(is_only_way && is_in_all) {
                self.flow.partly.push(name.clone());
            }
        }
    }

    /// An exporter that has all spans, before they are sampled.
    fn before(&mut self, exporter: &str, pipeline: &Pipeline) {
        if self.collector.is_connector(exporter) {
            self.counts(exporter);
            return;
        }
        let place = self.collector.place.key("service.pipelines").key(&pipeline.name);
        self.report.lost(
            place.key("exporters"),
            format!("`{exporter}` gets all spans, before they are sampled"),
            "have a Collector in front send all spans there, and to Wholetrace",
        );
    }

    /// Puts the pipelines behind it that it feeds through connectors.
    fn downstream(&mut self) {
        while let Some(at) =
            self.flow.exporters.iter().position(|name| self.collector.is_connector(name))
        {
            let connector = self.flow.exporters.remove(at);
            let of = kind(&connector);
            if of != "forward" && !ROUTES.contains(&of) {
                self.counts(&connector);
                continue;
            }
            self.passes(&connector);
            let fed = self.next(|pipeline| pipeline.receivers.contains(&connector));
            let is_only_way = self.flow.exporters.is_empty() && of == "forward";
            self.branch(&fed, is_only_way);
            for pipeline in fed {
                self.taken(pipeline, "is fed by the pipeline that samples");
                for receiver in pipeline.receivers.iter().filter(|name| **name != connector) {
                    self.round(receiver, pipeline);
                }
                self.flow.processors.extend(pipeline.processors.iter().cloned());
                add(&mut self.flow.exporters, &pipeline.exporters);
            }
        }
    }

    /// A receiver whose spans do not go through the pipeline that samples.
    fn round(&mut self, receiver: &str, pipeline: &Pipeline) {
        let name = &pipeline.name;
        let place = self.collector.place.key("service.pipelines").key(name);
        self.report.lost(
            place.key("receivers"),
            format!("spans of `{receiver}` go from here round the policies: no spans do that here"),
            format!(
                "give them a process of their own: `wholetrace import --pipeline {name} FILE` writes its \
                 file"
            ),
        );
    }

    /// A connector through which traces go.
    fn passes(&mut self, connector: &str) {
        let place = self.collector.at("connectors", connector);
        if kind(connector) == "forward" {
            self.report.not_needed(place, "the pipelines are one here");
        } else {
            self.report.lost(
                place,
                "all receivers feed the policies, and each kept trace goes to all exporters",
                "export `otlp` to a Collector behind that goes on choosing where traces go",
            );
        }
    }

    /// A connector that makes something else of spans.
    fn counts(&mut self, connector: &str) {
        self.report.lost(
            self.collector.at("connectors", connector),
            "there are only traces here: nothing is computed of all spans",
            "put it into a Collector in front, which sees all spans; behind this only kept traces are left",
        );
    }

    /// Looks at the pipelines that are left.
    fn beside(&mut self) {
        for pipeline in std::mem::take(&mut self.left) {
            let same_processors =
                passing_out(&pipeline.processors) == passing_out(&self.flow.processors);
            if same_processors && same(&pipeline.receivers, &self.flow.receivers) {
                add(&mut self.flow.exporters, &pipeline.exporters);
                self.taken(pipeline, "its exporters get the same traces");
                self.downstream();
            } else if same_processors && same(&pipeline.exporters, &self.flow.exporters) {
                add(&mut self.flow.receivers, &pipeline.receivers);
                self.taken(pipeline, "its receivers feed the same policies");
            } else if pipeline.exporters.iter().all(|name| self.collector.is_connector(name)) {
                for connector in &pipeline.exporters {
                    self.counts(connector);
                }
            } else {
                let name = &pipeline.name;
                let (receivers, exporters) =
                    (pipeline.receivers.join(", "), pipeline.exporters.join(", "));
                self.report.lost(
                    self.collector.place.key("service.pipelines").key(name),
                    format!(
                        "it differs ([{receivers}] to [{exporters}]), and a process has one way for all \
                         spans"
                    ),
                    format!(
                        "give it a process of its own: `wholetrace import --pipeline {name} FILE` \
                         writes its file"
                    ),
                );
            }
        }
    }
}

fn passing_out(names: &[String]) -> Vec<&String> {
    names.iter().filter(|name| !PASSING.contains(&kind(name))).collect()
}

fn same(a: &[String], b: &[String]) -> bool {
    a.iter().all(|name| b.contains(name)) && b.iter().all(|name| a.contains(name))
}

/// Adds the names that are not there.
fn add(names: &mut Vec<String>, more: &[String]) {
    for name in more {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
}
