//! The process that sends spans, as the resource of OTLP.

use super::model::{Process, Tag, Value, last_of_each};
use crate::otlp::message::Scalar;
use crate::otlp::numbers::resource;
use crate::otlp::writer::{ResourceId, Writer};
use crate::room::NoRoom;

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
        let mut put =
            |key: &str, value: Scalar<'_>| out.attribute(resource::ATTRIBUTES, key, &value);
        let named = !service_name.is_empty() && service_name != NO_SERVICE_NAME;
        if named && !has(tags, SERVICE_NAME) {
            put(SERVICE_NAME, Scalar::Text(service_name));
        }
        for tag in last_of_each(tags) {
            let key = &*tag.key;
            if key == HOST_NAME.0 && !has(tags, HOST_NAME.1) {
                put(HOST_NAME.1, tag.value.scalar());
                continue;
            }
            match &tag.value {
                Value::Text(version) if key == CLIENT_VERSION.0 && !has(tags, CLIENT_VERSION.1) => {
                    put(CLIENT_VERSION.1, Scalar::Text(&format!("Jaeger-{version}")));
                }
                value => put(key, value.scalar()),
            }
        }
    })
}

fn has(tags: &[Tag<'_>], key: &str) -> bool {
    tags.iter().any(|tag| tag.key == key)
}
