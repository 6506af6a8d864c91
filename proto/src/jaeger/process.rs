//! The process that sends spans, as the resource of OTLP.

use super::model::{Process, Tag, Value, last_of_each, put_attribute};
use crate::otlp::numbers::resource;
use crate::otlp::writer::{ResourceId, Writer};
use crate::room::NoRoom;
use crate::texts::Utf8;

/// The name that stands for a missing service name in what Collectors export.
pub(super) const NO_SERVICE_NAME: &str = "OTLPResourceNoServiceName";

const SERVICE_NAME: &str = "service.name";

/// The tag and the attribute for the name of the machine.
const HOST_NAME: (&str, &str) = ("hostname", "host.name");

/// The tag and the attribute for the version of the client library.
const CLIENT_VERSION: (&str, &str) = ("jaeger.version", "opencensus.exporterversion");

/// The resource that `process` is.
pub(super) fn resource(
    writer: &mut Writer<'_>,
    process: &Process<'_>,
) -> Result<ResourceId, NoRoom> {
    let Process { service_name, tags } = process;
    writer.resource(|out| {
        let mut put = |key: Utf8<'_>, value: Value<'_>| {
            put_attribute(out, resource::ATTRIBUTES, key, value);
        };
        let named = !service_name.is_empty() && *service_name != Utf8::from(NO_SERVICE_NAME);
        if named && !has(tags, SERVICE_NAME) {
            put(Utf8::from(SERVICE_NAME), Value::Text(*service_name));
        }
        for tag in last_of_each(tags) {
            if tag.is(HOST_NAME.0) && !has(tags, HOST_NAME.1) {
                put(Utf8::from(HOST_NAME.1), tag.value);
                continue;
            }
            match tag.value {
                Value::Text(version)
                    if tag.is(CLIENT_VERSION.0) && !has(tags, CLIENT_VERSION.1) =>
                {
                    let version = format!("Jaeger-{}", version.as_str());
                    put(Utf8::from(CLIENT_VERSION.1), Value::Text(Utf8::from(&version)));
                }
                value => put(tag.key, value),
            }
        }
    })
}

fn has(tags: &[Tag<'_>], key: &str) -> bool {
    tags.iter().any(|tag| tag.is(key))
}
