//! OpenTelemetry Collectors: one, or the tiers of several.

mod components;
mod credentials;
mod extensions;
mod flow;
mod kafka;
mod model;
mod processors;
mod sampling;

use serde_json::json;

use crate::{
    collector::{
        flow::Flow,
        model::{Collector, kind},
        sampling::Sampling,
    },
    document::Document,
    draft::Draft,
    front::{Selection, Unreadable},
    report::{Place, Report},
};

/// How a tier hands spans on to the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Link {
    /// An exporter that sends each trace to the one process that decides it.
    LoadBalancing,
    /// A topic of Kafka; by the name of the exporter.
    Kafka(String),
    /// Exporters that send to any process of the next tier.
    Direct(Vec<String>),
}

/// Makes a configuration of Collectors.
pub(crate) fn import(
    documents: &[Document],
    selection: &Selection,
    report: &mut Report,
) -> Result<Draft, Unreadable> {
    let tiers = tiers(documents)?;
    let mut draft = Draft::default();
    let mut sampling = Sampling::default();
    let last = tiers.len().saturating_sub(1);
    for (index, collector) in tiers.iter().enumerate() {
        let selected = selection.pipeline.as_deref();
        let selected = selected.filter(|name| {
            index == last || collector.pipelines.iter().any(|pipeline| pipeline.name == *name)
        });
        let mut flow = flow::of(collector, selected, report)?;
        if index > 0 {
            fed(collector, &mut flow, report);
        }
        if index < last {
            hand_on(collector, &mut flow, &mut draft, report);
        }
        let credentials = components::take(collector, &flow, &mut draft, report);
        processors::take(collector, &flow, &mut sampling, report);
        extensions::take(collector, &credentials, &mut draft, report);
        unused(collector, report);
    }
    sampling.put(&mut draft, report);
    complete(&mut draft, &tiers, report);
    Ok(draft)
}

/// The Collectors in `documents`, in the order in which spans go through them.
fn tiers(documents: &[Document]) -> Result<Vec<Collector>, Unreadable> {
    let mut collectors = Vec::new();
    let mut parts = Vec::new();
    for document in documents {
        let file = &document.place.file;
        if !model::is_collector(&document.value) {
            return Err(Unreadable(format!(
                "{file}: this is neither the configuration of a Collector (`receivers`, `exporters`, \
                 `service`) nor a resource of Kubernetes around one"
            )));
        }
        let collector = Collector::new(document);
        if collector.pipelines.is_empty() {
            parts.push(document)
        } else {
            collectors.push(collector)
        }
    }
    let samples = |collector: &Collector| collector.uses("processors", "tail_sampling");
    match collectors.as_mut_slice() {
        [] => {
            let file = documents.first().map_or("", |document| &document.place.file);
            return Err(Unreadable(format!(
                "{file}: nothing says which way spans go: a Collector has it in `service.pipelines`"
            )));
        }
        // A Collector lays several files over each other.
        [collector] => parts.into_iter().for_each(|part| collector.add(part)),
        [first, ..] => {
            if let Some(part) = parts.first() {
                return Err(Unreadable(format!(
                    "{}: this is a part of a Collector, and there are several of them: give this part \
                     together with the one that it belongs to ({} is one)",
                    part.place.file, first.place.file
                )));
            }
        }
    }
    let sampling: Vec<&str> =
        collectors.iter().filter(|one| samples(one)).map(|one| one.place.file.as_str()).collect();
    if let [first, second, ..] = sampling[..] {
        return Err(Unreadable(format!(
            "{first} and {second} both sample: import each by itself, and run a process for each"
        )));
    }
    // Those that hand on come first. The sort is stable: else in the order that was given.
    let hands_on = |collector: &Collector| {
        collector.uses("exporters", "loadbalancing") || collector.uses("exporters", "kafka")
    };
    collectors.sort_by_key(|one| (samples(one), !hands_on(one)));
    Ok(collectors)
}

/// Takes the receivers out of `flow` that only the tier in front sends to.
fn fed(collector: &Collector, flow: &mut Flow, report: &mut Report) {
    for name in std::mem::take(&mut flow.receivers) {
        let place = collector.at("receivers", &name);
        report.not_needed(
            place,
            "the tier in front is this process, too: spans come to its receivers",
        );
    }
}

/// Takes the exporters out of `flow` that lead to the next tier.
fn hand_on(collector: &Collector, flow: &mut Flow, draft: &mut Draft, report: &mut Report) {
    let of_kind = |wanted: &str| flow.exporters.iter().find(|name| kind(name) == wanted).cloned();
    let link = if of_kind("loadbalancing").is_some() {
        Link::LoadBalancing
    } else if let Some(name) = of_kind("kafka") {
        Link::Kafka(name)
    } else {
        let direct = |name: &&String| ["otlp", "otlphttp"].contains(&kind(name));
        Link::Direct(flow.exporters.iter().filter(direct).cloned().collect())
    };
    let place = |name: &str| collector.at("exporters", name);
    let leads = |name: &String| match &link {
        Link::LoadBalancing => kind(name) == "loadbalancing",
        Link::Kafka(exporter) => name == exporter,
        Link::Direct(exporters) => exporters.contains(name),
    };
    let (on, others): (Vec<String>, Vec<String>) =
        std::mem::take(&mut flow.exporters).into_iter().partition(|name| leads(name));
    for name in on {
        match &link {
            Link::Kafka(exporter) if *exporter == name => {
                kafka::log(collector, &name, draft, report);
            }
            _ => report.not_needed(
                place(&name),
                "whole traces come together here, whichever process takes their spans",
            ),
        }
    }
    for name in others {
        report.lost(
            place(&name),
            "gets all spans, before they are sampled",
            "have a Collector in front send all spans there, and to Wholetrace",
        );
    }
}

/// Components that are there, and that no pipeline of any signal has.
fn unused(collector: &Collector, report: &mut Report) {
    for section in ["receivers", "processors", "exporters", "connectors"] {
        for name in collector.names(section) {
            let is_used = collector.pipelines.iter().any(|pipeline| {
                let lists = [&pipeline.receivers, &pipeline.processors, &pipeline.exporters];
                lists.iter().any(|names| names.contains(name))
            });
            if !is_used {
                report.not_needed(collector.at(section, name), "no pipeline has it");
            }
        }
    }
}

/// Says what the file is for, and adds what a Collector need not say.
fn complete(draft: &mut Draft, tiers: &[Collector], report: &mut Report) {
    let files: Vec<&str> = tiers.iter().map(|collector| collector.place.file.as_str()).collect();
    draft.head(format!("Does what a Collector does with {}.", files.join(" and ")));
    if !draft.has("tail_sampling") {
        // Nothing samples: spans go on as they come.
        let policy = json!({ "name": "everything", "type": "always_sample" });
        let block = json!({ "decision_wait": "1s", "policies": [policy] });
        draft.section("tail_sampling", block, Place::default());
        draft.comment("tail_sampling", "No processor samples: every trace is kept.");
    }
    if !draft.has("receivers") {
        draft.head("No receiver was taken: it listens for OTLP and Zipkin on their usual ports.");
    }
    if !draft.has("exporters") {
        report.lost(
            tiers.last().map(|last| last.place.key("exporters")).unwrap_or_default(),
            "no exporter was taken: kept traces go to a file below the folder of the log",
            "add one under `exporters`, such as `otlp: { endpoint: \"HOST:4317\" }`",
        );
    }
    if draft.has("log") {
        draft.head("");
        draft.head("Make the topics once with `wholetrace topics create`, and run any number of");
        draft.head("`wholetrace gateway` and `wholetrace sampler` with this file.");
    } else if tiers.len() > 1 {
        draft.foot("One process (`wholetrace standalone`) does the work of all tiers. Where several are to");
        draft.foot("share it, they do so over Kafka, as gateways and samplers:");
        draft.foot("");
        draft.foot("log:");
        draft.foot("  kafka:");
        draft.foot("    brokers: [kafka-1:9092, kafka-2:9092, kafka-3:9092]");
    }
}
