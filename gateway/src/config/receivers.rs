//! The `receivers` section: receivers by name.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, MapAccess, Visitor},
};
use wholetrace_runtime::problems::join;

use crate::receiver::{
    ReceiverConfig, ReceiverKind, listener::Listener, otlp::OtlpConfig, zipkin::ZipkinConfig,
};

/// The receivers by name: `otlp`, `zipkin`, `jaeger`, `kafka`, or one with a name of your own behind
/// a slash (`otlp/agents`), as often as needed. A configuration without this section listens for
/// OTLP and Zipkin on their usual ports of the loopback interface.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct ReceiversConfig(pub BTreeMap<String, ReceiverConfig>);

impl Default for ReceiversConfig {
    fn default() -> Self {
        let both = [
            (ReceiverKind::Otlp, ReceiverConfig::Otlp(Box::new(OtlpConfig::usual()))),
            (ReceiverKind::Zipkin, ReceiverConfig::Zipkin(ZipkinConfig::default())),
        ];
        Self(both.map(|(kind, receiver)| (kind.name().to_owned(), receiver)).into())
    }
}

impl ReceiversConfig {
    /// Everything that is listened on.
    #[must_use]
    pub fn listeners(&self) -> Vec<Listener<'_>> {
        self.listeners_at("receivers")
    }

    /// The same, where the section stands at the key `path`.
    pub(crate) fn listeners_at(&self, path: &str) -> Vec<Listener<'_>> {
        let receivers = self.0.iter();
        receivers.flat_map(|(name, one)| one.listeners(name, &join(path, name))).collect()
    }
}

impl<'de> Deserialize<'de> for ReceiversConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ByName)
    }
}

struct ByName;

impl<'de> Visitor<'de> for ByName {
    type Value = ReceiversConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("receivers by name, such as `otlp` or `zipkin`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            let Some(kind) = ReceiverKind::of(&name) else {
                let known = ReceiverKind::ALL.iter().map(|kind| format!("`{}`", kind.name()));
                let known = known.collect::<Vec<_>>().join(" or ");
                return Err(A::Error::custom(format_args!(
                    "unknown receiver `{name}`: expected {known}, with an optional name behind a \
                     slash"
                )));
            };
            found.insert(name, map.next_value_seed(kind)?);
        }
        Ok(ReceiversConfig(found))
    }
}

impl JsonSchema for ReceiversConfig {
    fn schema_name() -> Cow<'static, str> {
        "ReceiversConfig".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let kinds: Vec<(&str, Schema)> =
            ReceiverKind::ALL.iter().map(|kind| (kind.name(), kind.schema(generator))).collect();
        let named: BTreeMap<String, &Schema> =
            kinds.iter().map(|(name, schema)| ((*name).to_owned(), schema)).collect();
        let suffixed: BTreeMap<String, &Schema> =
            kinds.iter().map(|(name, schema)| (format!("^{name}/"), schema)).collect();
        json_schema!({
            "type": "object",
            "description": "The receivers by name: `otlp`, `zipkin`, `jaeger`, `kafka`, or one with \
                a name of your own behind a slash (`otlp/agents`), as often as needed. A configuration \
                without this section listens for OTLP and Zipkin on their usual ports of the \
                loopback interface.",
            "properties": named,
            "patternProperties": suffixed,
            "additionalProperties": false,
        })
    }
}
