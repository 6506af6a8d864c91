//! A Collector's configuration, as far as it matters here.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{
    document::{Document, words},
    report::Place,
};

/// A Collector: what one process of it is configured with.
#[derive(Clone, Debug)]
pub(crate) struct Collector {
    pub(crate) place: Place,
    sections: Map<String, Value>,
    /// Where components stand that come from another file than the first: by section and name.
    elsewhere: BTreeMap<(String, String), Place>,
    pub(crate) pipelines: Vec<Pipeline>,
}

/// A pipeline: names of components.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pipeline {
    pub(crate) name: String,
    pub(crate) receivers: Vec<String>,
    pub(crate) processors: Vec<String>,
    pub(crate) exporters: Vec<String>,
}

/// Whether `value` is the configuration of a Collector, or a part of one.
pub(crate) fn is_collector(value: &Value) -> bool {
    let ours = ["tail_sampling", "log", "limits", "admin", "memory", "authentication"];
    let theirs = ["receivers", "processors", "exporters", "connectors", "extensions", "service"];
    let has = |keys: &[&str]| keys.iter().any(|key| value.get(key).is_some());
    has(&theirs) && !has(&ours)
}

impl Collector {
    pub(crate) fn new(document: &Document) -> Self {
        let sections = document.value.as_object().cloned().unwrap_or_default();
        let mut collector = Self {
            place: document.place.clone(),
            sections,
            elsewhere: BTreeMap::new(),
            pipelines: Vec::new(),
        };
        collector.read_pipelines();
        collector
    }

    /// Lays a part of the configuration over it that stands in another file, as the Collector does.
    pub(crate) fn add(&mut self, part: &Document) {
        let Value::Object(sections) = &part.value else { return };
        for (section, components) in sections {
            let under = self.sections.entry(section.clone()).or_insert(Value::Null);
            for name in components.as_object().into_iter().flat_map(Map::keys) {
                let place = part.place.key(section).key(name);
                self.elsewhere.insert((section.clone(), name.clone()), place);
            }
            lay(under, components);
        }
        self.read_pipelines();
    }

    fn read_pipelines(&mut self) {
        let pipelines = self.sections.get("service").and_then(|service| service.get("pipelines"));
        let pipelines = pipelines.and_then(Value::as_object).into_iter().flatten();
        let pipelines = pipelines.map(|(name, pipeline)| Pipeline {
            name: name.clone(),
            receivers: words(pipeline.get("receivers")),
            processors: words(pipeline.get("processors")),
            exporters: words(pipeline.get("exporters")),
        });
        self.pipelines = pipelines.collect();
    }

    /// The settings of a component.
    pub(crate) fn component(&self, section: &str, name: &str) -> Option<&Value> {
        self.sections.get(section)?.get(name)
    }

    /// The names of all components of a section.
    pub(crate) fn names(&self, section: &str) -> impl Iterator<Item = &String> {
        self.sections.get(section).and_then(Value::as_object).into_iter().flat_map(Map::keys)
    }

    /// Where a component stands.
    pub(crate) fn at(&self, section: &str, name: &str) -> Place {
        let elsewhere = self.elsewhere.get(&(section.to_owned(), name.to_owned()));
        elsewhere.cloned().unwrap_or_else(|| self.place.key(section).key(name))
    }

    /// A part of the section `service`.
    pub(crate) fn service(&self, key: &str) -> Option<&Value> {
        self.component("service", key)
    }

    /// The names that `service.extensions` lists.
    pub(crate) fn active_extensions(&self) -> Vec<String> {
        words(self.service("extensions"))
    }

    pub(crate) fn is_connector(&self, name: &str) -> bool {
        self.component("connectors", name).is_some()
            || self.names("connectors").any(|connector| connector == name)
    }

    /// Whether traces leave the Collector from `pipeline`.
    pub(crate) fn exports(&self, pipeline: &Pipeline) -> bool {
        pipeline.exporters.iter().any(|name| !self.is_connector(name))
    }

    /// Whether a pipeline of traces has a component of this type.
    pub(crate) fn uses(&self, section: &str, kind: &str) -> bool {
        self.pipelines.iter().filter(|pipeline| pipeline.is_traces()).any(|pipeline| {
            let names = match section {
                "receivers" => &pipeline.receivers,
                "processors" => &pipeline.processors,
                _ => &pipeline.exporters,
            };
            names.iter().any(|name| self::kind(name) == kind)
        })
    }
}

impl Pipeline {
    pub(crate) fn is_traces(&self) -> bool {
        kind(&self.name) == "traces"
    }

    pub(crate) fn has_processor(&self, kind: &str) -> bool {
        self.processors.iter().any(|name| self::kind(name) == kind)
    }
}

/// The type of a component, of its name; one that has had several names has its first.
pub(crate) fn kind(name: &str) -> &str {
    match name.split('/').next().unwrap_or_default() {
        "otlp_grpc" => "otlp",
        "otlp_http" => "otlphttp",
        "load_balancing" => "loadbalancing",
        "k8s_attributes" => "k8sattributes",
        "resource_detection" => "resourcedetection",
        "group_by_trace" => "groupbytrace",
        kind => kind,
    }
}

/// Lays `over` on top of `under`: maps key by key, all else as a whole.
fn lay(under: &mut Value, over: &Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                lay(under.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over.clone(),
    }
}
