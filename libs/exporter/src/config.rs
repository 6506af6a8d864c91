//! The `exporters` section of the configuration, in the Collector's words.

pub mod jaeger;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod local;
pub mod otlp;
pub mod queue;
pub mod zipkin;

use std::{borrow::Cow, fmt};

use http::Uri;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, Visitor},
};
use wholetrace_runtime::problems::{Problems, did_you_mean};

#[cfg(feature = "kafka")]
use crate::config::kafka::KafkaExporterConfig;
use crate::{
    config::{
        jaeger::JaegerConfig,
        local::{DebugConfig, FileConfig},
        otlp::{OtlpConfig, OtlpHttpConfig},
        queue::{QueueConfig, RetryConfig},
        zipkin::ZipkinConfig,
    },
    only,
};

/// The exporters by name, in the order of the configuration. The part of a name before a `/` is
/// the type. Each kept trace goes to all of them, unless `only` says which parts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExportersConfig(pub Vec<(String, ExporterConfig)>);

/// One exporter.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum ExporterConfig {
    /// `otlp`: OTLP over gRPC.
    Otlp(Box<OtlpConfig>),
    /// `otlphttp`: OTLP over HTTP.
    OtlpHttp(Box<OtlpHttpConfig>),
    /// `kafka`: a topic.
    #[cfg(feature = "kafka")]
    Kafka(Box<KafkaExporterConfig>),
    /// `jaeger`: Jaeger's own gRPC.
    Jaeger(Box<JaegerConfig>),
    /// `zipkin`: Zipkin's v2 JSON.
    Zipkin(Box<ZipkinConfig>),
    /// `file`: lines of OTLP/JSON.
    File(FileConfig),
    /// `debug`: the log of this process.
    Debug(DebugConfig),
}

impl ExportersConfig {
    /// Adds what is wrong with the section at `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        if self.0.is_empty() {
            problems.error(path, "no exporter is configured", "add one, such as `otlp` or `file`");
        } else if self.0.iter().all(|(_, config)| config.only().is_some()) {
            let message = "spans go nowhere for which the `only` of no exporter holds";
            problems.warn(path, message, "leave `only` out of one, unless that is meant");
        }
        for (index, (name, config)) in self.0.iter().enumerate() {
            let path = format!("{path}.{name}");
            if self.0.iter().skip(index + 1).any(|(other, _)| other == name) {
                problems.error(
                    path.as_str(),
                    "the name is used twice",
                    "add `/` and a word to one",
                );
            }
            config.check(&path, problems);
        }
        for (index, (name, config)) in self.0.iter().enumerate() {
            let ExporterConfig::File(file) = config else { continue };
            let shared = self.0.iter().skip(index + 1).find(|(_, other)| {
                matches!(other, ExporterConfig::File(other) if other.path == file.path)
            });
            if let Some((other, _)) = shared {
                let message =
                    format!("`{other}` writes to the same file `{}`", file.path.display());
                problems.error(format!("{path}.{name}.path"), message, "give each its own");
            }
        }
    }

    /// Bytes that the queues of all exporters may hold, to be counted as memory.
    #[must_use]
    pub fn queue_bytes(&self) -> u64 {
        self.0.iter().map(|(_, config)| config.queue().queue_size.get()).sum()
    }
}

impl ExporterConfig {
    /// Adds what is wrong with the block at `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        match self {
            Self::Otlp(config) => config.check(path, problems),
            Self::OtlpHttp(config) => config.check(path, problems),
            #[cfg(feature = "kafka")]
            Self::Kafka(config) => config.check(path, problems),
            Self::Jaeger(config) => config.check(path, problems),
            Self::Zipkin(config) => config.check(path, problems),
            Self::File(config) => config.check(path, problems),
            Self::Debug(config) => config.check(path, problems),
        }
        if let Some(condition) = self.only() {
            only::check(condition, &format!("{path}.only"), problems);
        }
    }

    /// The condition on resources whose spans it takes.
    #[must_use]
    pub fn only(&self) -> Option<&str> {
        match self {
            Self::Otlp(config) => config.only.as_deref(),
            Self::OtlpHttp(config) => config.only.as_deref(),
            #[cfg(feature = "kafka")]
            Self::Kafka(config) => config.only.as_deref(),
            Self::Jaeger(config) => config.only.as_deref(),
            Self::Zipkin(config) => config.only.as_deref(),
            Self::File(config) => config.only.as_deref(),
            Self::Debug(config) => config.only.as_deref(),
        }
    }

    /// Where it sends, and the key that says so; none where that is not a backend or is wrong.
    #[must_use]
    pub fn backend(&self) -> Option<(&'static str, Uri)> {
        match self {
            Self::Otlp(config) => Some(("endpoint", config.uri().ok()?)),
            Self::OtlpHttp(config) => Some((config.endpoint_key(), config.uri().ok()?)),
            #[cfg(feature = "kafka")]
            Self::Kafka(_) => None,
            Self::Jaeger(config) => Some(("endpoint", config.uri().ok()?)),
            Self::Zipkin(config) => Some(("endpoint", config.uri().ok()?)),
            Self::File(_) | Self::Debug(_) => None,
        }
    }

    /// The block of its queue.
    #[must_use]
    pub const fn queue(&self) -> &QueueConfig {
        match self {
            Self::Otlp(config) => &config.sending_queue,
            Self::OtlpHttp(config) => &config.sending_queue,
            #[cfg(feature = "kafka")]
            Self::Kafka(config) => &config.sending_queue,
            Self::Jaeger(config) => &config.sending_queue,
            Self::Zipkin(config) => &config.sending_queue,
            Self::File(config) => &config.sending_queue,
            Self::Debug(config) => &config.sending_queue,
        }
    }

    /// The block of its retries; an exporter that needs no network has the defaults.
    #[must_use]
    pub fn retry(&self) -> RetryConfig {
        match self {
            Self::Otlp(config) => config.retry_on_failure.clone(),
            Self::OtlpHttp(config) => config.retry_on_failure.clone(),
            #[cfg(feature = "kafka")]
            Self::Kafka(config) => config.retry_on_failure.clone(),
            Self::Jaeger(config) => config.retry_on_failure.clone(),
            Self::Zipkin(config) => config.retry_on_failure.clone(),
            Self::File(_) | Self::Debug(_) => RetryConfig::default(),
        }
    }
}

/// The types, under all names that they have had in the Collector.
const TYPES: [&str; 10] = [
    "otlp",
    "otlp_grpc",
    "otlphttp",
    "otlp_http",
    "kafka",
    "jaeger",
    "zipkin",
    "file",
    "debug",
    "logging",
];

impl<'de> Deserialize<'de> for ExportersConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Blocks;

        impl<'de> Visitor<'de> for Blocks {
            type Value = ExportersConfig;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("exporters by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut exporters = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    let config = next_block(&name, &mut map)?;
                    exporters.push((name, config));
                }
                Ok(ExportersConfig(exporters))
            }
        }

        deserializer.deserialize_map(Blocks)
    }
}

/// Reads the block of the exporter `name`; a block that is empty has all defaults.
fn next_block<'de, A: MapAccess<'de>>(name: &str, map: &mut A) -> Result<ExporterConfig, A::Error> {
    fn block<'de, T: Deserialize<'de> + Default, A: MapAccess<'de>>(
        map: &mut A,
    ) -> Result<T, A::Error> {
        Ok(map.next_value::<Option<T>>()?.unwrap_or_default())
    }

    match name.split('/').next().unwrap_or_default() {
        "otlp" | "otlp_grpc" => Ok(ExporterConfig::Otlp(block(map)?)),
        "otlphttp" | "otlp_http" => Ok(ExporterConfig::OtlpHttp(block(map)?)),
        #[cfg(feature = "kafka")]
        "kafka" => Ok(ExporterConfig::Kafka(block(map)?)),
        #[cfg(not(feature = "kafka"))]
        "kafka" => Err(de::Error::custom(
            "this program was built without Kafka: build it with the feature `kafka`",
        )),
        "jaeger" => Ok(ExporterConfig::Jaeger(block(map)?)),
        "zipkin" => Ok(ExporterConfig::Zipkin(block(map)?)),
        "file" => Ok(ExporterConfig::File(block(map)?)),
        "debug" | "logging" => Ok(ExporterConfig::Debug(block(map)?)),
        unknown => Err(de::Error::custom(match did_you_mean(unknown, TYPES) {
            Some(known) => format!("`{unknown}` is no type of exporter: is `{known}` meant?"),
            None => format!(
                "`{unknown}` is no type of exporter: there are `otlp`, `otlphttp`, `kafka`, \
                 `jaeger`, `zipkin`, `file`, `debug`"
            ),
        })),
    }
}

impl Serialize for ExportersConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, config)| (name, config)))
    }
}

impl JsonSchema for ExportersConfig {
    fn schema_name() -> Cow<'static, str> {
        "ExportersConfig".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let schema = json_schema!({
            "type": "object",
            "description": "The exporters by name: a type, and after a `/` any word. Each kept \
                            trace goes to all of them, unless `only` says which parts.",
            "properties": {
                "otlp": generator.subschema_for::<OtlpConfig>(),
                "otlphttp": generator.subschema_for::<OtlpHttpConfig>(),
                "jaeger": generator.subschema_for::<JaegerConfig>(),
                "zipkin": generator.subschema_for::<ZipkinConfig>(),
                "file": generator.subschema_for::<FileConfig>(),
                "debug": generator.subschema_for::<DebugConfig>(),
            },
            "patternProperties": {
                "^(otlp|otlp_grpc)/": generator.subschema_for::<OtlpConfig>(),
                "^(otlphttp|otlp_http)/": generator.subschema_for::<OtlpHttpConfig>(),
                "^jaeger/": generator.subschema_for::<JaegerConfig>(),
                "^zipkin/": generator.subschema_for::<ZipkinConfig>(),
                "^file/": generator.subschema_for::<FileConfig>(),
                "^(debug|logging)/": generator.subschema_for::<DebugConfig>(),
            },
        });
        #[cfg(feature = "kafka")]
        let schema = with_kafka(schema, generator);
        schema
    }
}

/// `schema` with the blocks of exporters to Kafka.
#[cfg(feature = "kafka")]
fn with_kafka(mut schema: Schema, generator: &mut SchemaGenerator) -> Schema {
    for (section, key) in [("properties", "kafka"), ("patternProperties", "^kafka/")] {
        let kafka = generator.subschema_for::<KafkaExporterConfig>();
        if let Some(section) = schema.get_mut(section).and_then(|it| it.as_object_mut()) {
            section.insert(key.to_owned(), kafka.into());
        }
    }
    schema
}

#[cfg(test)]
mod tests;
