//! The tags that describe where a span comes from and not the span itself.

/// Whether a tag of this name belongs to the resource.
pub(crate) fn is_resource_key(key: &str) -> bool {
    KEYS.binary_search(&key).is_ok() || PREFIXES.iter().any(|prefix| key.starts_with(prefix))
}

/// Families in which all names describe the resource.
const PREFIXES: [&str; 14] = [
    "aws.ecs.",
    "aws.eks.",
    "aws.log.",
    "azure.vm.",
    "cloudfoundry.",
    "gcp.cloud_run.",
    "gcp.gce.",
    "heroku.",
    "k8s.",
    "openshift.",
    "telemetry.auto.",
    "telemetry.distro.",
    "telemetry.sdk.",
    "webengine.",
];

/// Single names, sorted. The families that they are from have names for spans too.
const KEYS: [&str; 73] = [
    "app.installation.id",
    "browser.brands",
    "browser.language",
    "browser.mobile",
    "browser.platform",
    "cloud.account.id",
    "cloud.availability_zone",
    "cloud.platform",
    "cloud.provider",
    "cloud.region",
    "cloud.resource_id",
    "container.command",
    "container.command_args",
    "container.command_line",
    "container.csi.plugin.name",
    "container.csi.volume.id",
    "container.id",
    "container.image.id",
    "container.image.name",
    "container.image.repo_digests",
    "container.image.tag",
    "container.image.tags",
    "container.name",
    "container.runtime",
    "deployment.environment",
    "deployment.environment.name",
    "deployment.id",
    "deployment.name",
    "device.id",
    "device.manufacturer",
    "device.model.identifier",
    "device.model.name",
    "faas.id",
    "faas.instance",
    "faas.max_memory",
    "faas.name",
    "faas.version",
    "host.arch",
    "host.cpu.family",
    "host.cpu.model.id",
    "host.cpu.model.name",
    "host.cpu.vendor.id",
    "host.id",
    "host.image.id",
    "host.image.name",
    "host.image.version",
    "host.ip",
    "host.mac",
    "host.name",
    "host.type",
    "opencensus.exporterversion",
    "opencensus.resourcetype",
    "opencensus.starttime",
    "os.build_id",
    "os.description",
    "os.name",
    "os.type",
    "os.version",
    "process.command",
    "process.command_args",
    "process.command_line",
    "process.executable.name",
    "process.executable.path",
    "process.owner",
    "process.parent_pid",
    "process.pid",
    "process.runtime.description",
    "process.runtime.name",
    "process.runtime.version",
    "service.instance.id",
    "service.name",
    "service.namespace",
    "service.version",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_sorted_so_that_they_are_found() {
        assert!(KEYS.is_sorted());
        for key in KEYS {
            assert!(is_resource_key(key), "{key}");
        }
    }

    #[test]
    fn names_of_spans_stay_with_the_span() {
        for key in ["k8s.pod.label.app", "opencensus.starttime", "telemetry.sdk.language"] {
            assert!(is_resource_key(key), "{key}");
        }
        for key in [
            "",
            "k8s",
            "opencensus.same_process_as_parent_span",
            "http.host",
            "host",
            "service.peer.name",
            "faas.trigger",
            "os",
        ] {
            assert!(!is_resource_key(key), "{key}");
        }
    }
}
