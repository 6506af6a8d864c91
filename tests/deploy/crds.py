"""Schemas of the custom resources that the chart makes, with the fields that it uses and no others:
packages with whole ones do not refuse a misspelt field."""

import json
import pathlib

TEXT, FLAG, WHOLE = {"type": "string"}, {"type": "boolean"}, {"type": "integer"}
TEXTS = {"type": "object", "additionalProperties": TEXT}
DURATION = {"type": "string", "pattern": "^(([0-9]+)(ms|[ywdhms]))+$"}


def fields(properties, *required):
    # An empty list of them is none in JSON Schema's draft 4, by which kubeconform reads.
    needed = {"required": list(required)} if required else {}
    return {"type": "object", "additionalProperties": False, "properties": properties, **needed}


def many(items):
    return {"type": "array", "items": items}


def resource(version, kind, spec):
    metadata = fields({"name": TEXT, "namespace": TEXT, "labels": TEXTS, "annotations": TEXTS}, "name")
    return fields({"apiVersion": {"enum": [version]}, "kind": {"enum": [kind]}, "metadata": metadata, "spec": spec},
                  "apiVersion", "kind", "metadata", "spec")


RELABELING = fields({
    "sourceLabels": many(TEXT), "separator": TEXT, "targetLabel": TEXT, "regex": TEXT, "modulus": WHOLE,
    "replacement": TEXT, "action": {"enum": ["replace", "keep", "drop", "hashmod", "labelmap", "labeldrop", "labelkeep"]},
})
ENDPOINT = fields({
    "port": TEXT, "path": TEXT, "scheme": {"enum": ["http", "https"]}, "interval": DURATION,
    "scrapeTimeout": DURATION, "relabelings": many(RELABELING), "metricRelabelings": many(RELABELING),
    "tlsConfig": fields({"insecureSkipVerify": FLAG, "serverName": TEXT}),
})
RULE = fields({"alert": TEXT, "record": TEXT, "expr": TEXT, "for": DURATION, "keep_firing_for": DURATION,
               "labels": TEXTS, "annotations": TEXTS}, "expr")
GROUP = fields({"name": TEXT, "interval": DURATION, "labels": TEXTS, "limit": WHOLE, "query_offset": DURATION,
                "rules": many(RULE)}, "name")
SCALING = fields({
    "stabilizationWindowSeconds": WHOLE, "selectPolicy": {"enum": ["Max", "Min", "Disabled"]},
    "policies": many(fields({"type": {"enum": ["Pods", "Percent"]}, "value": WHOLE, "periodSeconds": WHOLE},
                            "type", "value", "periodSeconds")),
})
TRIGGER = fields({
    "type": TEXT, "name": TEXT, "metricType": {"enum": ["AverageValue", "Value", "Utilization"]},
    "useCachedMetrics": FLAG, "metadata": TEXTS, "authenticationRef": fields({"name": TEXT, "kind": TEXT}, "name"),
}, "type", "metadata")


def monitor(kind, endpoints):
    return resource("monitoring.coreos.com/v1", kind, fields({
        "jobLabel": TEXT, "namespaceSelector": fields({"matchNames": many(TEXT)}),
        "selector": fields({"matchLabels": TEXTS}), endpoints: many(ENDPOINT),
    }, "selector", endpoints))


SCHEMAS = {
    "servicemonitor": monitor("ServiceMonitor", "endpoints"),
    "podmonitor": monitor("PodMonitor", "podMetricsEndpoints"),
    "prometheusrule": resource("monitoring.coreos.com/v1", "PrometheusRule", fields({"groups": many(GROUP)}, "groups")),
    "scaledobject": resource("keda.sh/v1alpha1", "ScaledObject", fields({
        "scaleTargetRef": fields({"apiVersion": TEXT, "kind": TEXT, "name": TEXT}, "name"),
        "pollingInterval": WHOLE, "cooldownPeriod": WHOLE, "minReplicaCount": WHOLE, "maxReplicaCount": WHOLE,
        "fallback": fields({"failureThreshold": WHOLE, "replicas": WHOLE}, "failureThreshold", "replicas"),
        "advanced": fields({"horizontalPodAutoscalerConfig": fields({
            "behavior": fields({"scaleUp": SCALING, "scaleDown": SCALING})})}),
        "triggers": many(TRIGGER),
    }, "scaleTargetRef", "triggers")),
}


def write(folder):
    """Each schema as a file of its kind's name, as kubeconform looks for it."""
    for kind, schema in SCHEMAS.items():
        (pathlib.Path(folder) / f"{kind}.json").write_text(json.dumps(schema))
