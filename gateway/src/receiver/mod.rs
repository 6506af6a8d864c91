//! The receivers: what each is configured with, and what it listens on.

pub(crate) mod jaeger;
pub(crate) mod jaeger_agent;
pub(crate) mod jaeger_sampling;
#[cfg(feature = "kafka")]
pub(crate) mod kafka;
pub(crate) mod listener;
mod named;
pub(crate) mod otlp;
pub(crate) mod zipkin;

use std::{path::Path, time::Duration};

use schemars::{Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeSeed};
use wholetrace_runtime::problems::Problems;

#[cfg(feature = "kafka")]
use self::kafka::KafkaReceiverConfig;
use self::{jaeger::JaegerConfig, listener::Listener, otlp::OtlpConfig, zipkin::ZipkinConfig};

/// The kinds of receivers there are. A name in the configuration begins with one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiverKind {
    /// OTLP over gRPC and HTTP.
    Otlp,
    /// Zipkin.
    Zipkin,
    /// Jaeger.
    Jaeger,
    /// Topics of Kafka.
    #[cfg(feature = "kafka")]
    Kafka,
}

/// The settings of a receiver, whatever its kind.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum ReceiverConfig {
    /// OTLP over gRPC and HTTP.
    Otlp(Box<OtlpConfig>),
    /// Zipkin.
    Zipkin(ZipkinConfig),
    /// Jaeger.
    Jaeger(Box<JaegerConfig>),
    /// Topics of Kafka.
    #[cfg(feature = "kafka")]
    Kafka(Box<KafkaReceiverConfig>),
}

impl ReceiverKind {
    /// All kinds.
    pub const ALL: &[Self] = &[
        Self::Otlp,
        Self::Zipkin,
        Self::Jaeger,
        #[cfg(feature = "kafka")]
        Self::Kafka,
    ];

    /// The word in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Otlp => "otlp",
            Self::Zipkin => "zipkin",
            Self::Jaeger => "jaeger",
            #[cfg(feature = "kafka")]
            Self::Kafka => "kafka",
        }
    }

    /// The kind of the receiver `name`: all of it, or what stands before the first slash.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let word = name.split('/').next()?;
        Self::ALL.iter().copied().find(|kind| kind.name() == word)
    }

    pub(crate) fn schema(self, generator: &mut SchemaGenerator) -> Schema {
        match self {
            Self::Otlp => generator.subschema_for::<OtlpConfig>(),
            Self::Zipkin => generator.subschema_for::<ZipkinConfig>(),
            Self::Jaeger => generator.subschema_for::<JaegerConfig>(),
            #[cfg(feature = "kafka")]
            Self::Kafka => generator.subschema_for::<KafkaReceiverConfig>(),
        }
    }
}

impl<'de> DeserializeSeed<'de> for ReceiverKind {
    type Value = ReceiverConfig;

    /// Reads the settings of a receiver of this kind; none are the defaults.
    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<ReceiverConfig, D::Error> {
        fn read<'de, D, T>(deserializer: D) -> Result<T, D::Error>
        where
            D: Deserializer<'de>,
            T: Deserialize<'de> + Default,
        {
            Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
        }
        Ok(match self {
            Self::Otlp => ReceiverConfig::Otlp(read(deserializer)?),
            Self::Zipkin => ReceiverConfig::Zipkin(read(deserializer)?),
            Self::Jaeger => ReceiverConfig::Jaeger(read(deserializer)?),
            #[cfg(feature = "kafka")]
            Self::Kafka => ReceiverConfig::Kafka(read(deserializer)?),
        })
    }
}

impl ReceiverConfig {
    /// What it listens on. It is called `name`, and stands at the key `path`.
    pub(crate) fn listeners(&self, name: &str, path: &str) -> Vec<Listener<'_>> {
        match self {
            Self::Otlp(otlp) => otlp.listeners(name, path),
            Self::Zipkin(zipkin) => zipkin.listeners(name, path),
            Self::Jaeger(jaeger) => jaeger.listeners(name, path),
            #[cfg(feature = "kafka")]
            Self::Kafka(_) => Vec::new(),
        }
    }

    /// The file that it answers Jaeger's clients by, and how often that is looked at.
    pub(crate) fn strategy_file(&self) -> Option<(&Path, Duration)> {
        let Self::Jaeger(jaeger) = self else { return None };
        let sampling = jaeger.remote_sampling.as_ref()?;
        Some((&sampling.strategy_file, sampling.strategy_file_reload_interval.get()))
    }

    /// Adds everything that is wrong with it to `problems`, beside its listeners; `path` is where it
    /// stands.
    pub(crate) fn check(&self, path: &str, problems: &mut Problems) {
        match self {
            Self::Otlp(otlp) => otlp.check(path, problems),
            Self::Jaeger(jaeger) => jaeger.check(path, problems),
            Self::Zipkin(_) => {}
            #[cfg(feature = "kafka")]
            Self::Kafka(kafka) => kafka.check(path, problems),
        }
    }
}
