//! The tags that describe where a span comes from and not the span itself.

/// Whether a tag of this name belongs to the resource.
pub(super) fn is_resource_key(key: &[u8]) -> bool {
    // Nearly every other name is told apart by its first letter, or by that and its length.
    let Some(first) = key.first().copied() else { return false };
    let begins =
        |prefix: &&str| prefix.bytes().next() == Some(first) && key.starts_with(prefix.as_bytes());
    let lengths = LENGTHS.get(usize::from(first)).copied().unwrap_or_default();
    PREFIXES.iter().any(begins)
        || key.len() < LENGTHS_MAX
            && lengths >> key.len() & 1 == 1
            && KEYS.binary_search_by(|known| known.as_bytes().cmp(key)).is_ok()
}

/// Families in which all names describe the resource.
pub(super) const PREFIXES: [&str; 14] = [
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
pub(super) const KEYS: [&str; 73] = [
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

const LENGTHS_MAX: usize = u32::BITS as usize;

/// By first letter: the lengths of the single names that begin with it, a bit each.
const LENGTHS: [u32; 256] = {
    let (mut lengths, mut at) = ([0; 256], 0);
    while at < KEYS.len() {
        let key = KEYS[at].as_bytes();
        assert!(key.len() < LENGTHS_MAX, "a name is too long for its bit");
        lengths[key[0] as usize] |= 1 << key.len();
        at += 1;
    }
    lengths
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_sorted_so_that_they_are_found() {
        assert!(KEYS.is_sorted());
        for key in KEYS {
            assert!(is_resource_key(key.as_bytes()), "{key}");
        }
    }

    #[test]
    fn names_of_spans_stay_with_the_span() {
        for key in ["k8s.pod.label.app", "opencensus.starttime", "telemetry.sdk.language"] {
            assert!(is_resource_key(key.as_bytes()), "{key}");
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
            assert!(!is_resource_key(key.as_bytes()), "{key}");
        }
    }
}
