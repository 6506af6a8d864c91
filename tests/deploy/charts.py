"""The Helm chart: what is made of it in this repository, and whether what it renders is right.

    charts.py --write     # writes deploy/kubernetes and the chart's README anew
"""

import os
import pathlib
import re
import subprocess
import sys

import yaml

import crds
from files import DEPLOY, ROOT, TOOLS, WHOLETRACE, run, scratch, wholetrace_check

CHART = DEPLOY / "helm/wholetrace"
PLAIN = DEPLOY / "kubernetes"
OLDEST, NEWEST = "1.30.0", "1.37.0"
SETS = ("ci/minimal-values.yaml", "ci/standalone-values.yaml", "ci/cluster-values.yaml", "ci/tls-values.yaml",
        "ci/keda-values.yaml", "ci/everything-values.yaml")


def template(*values, kubernetes=NEWEST, release="wholetrace"):
    return run(TOOLS / "deploy", "template", CHART, release, kubernetes, *values)


def objects(text):
    return [each for each in yaml.safe_load_all(text) if each]


# What is made of the chart.

FIRST = ("ServiceAccount", "ConfigMap", "Service", "Job")


def plain(name):
    """The manifests of deploy/kubernetes: without what only Helm has a use for."""
    documents = []
    for text in template(PLAIN / f"values/{name}.yaml").split("---\n"):
        each = yaml.safe_load(text)
        if each and "helm.sh/hook" not in each["metadata"].get("annotations", {}):
            lines = [line for line in text.rstrip().split("\n") if not re.match(r" +(helm\.sh/chart|app\.kubernetes\.io/managed-by):", line)]
            order = FIRST.index(each["kind"]) if each["kind"] in FIRST else len(FIRST)
            documents.append((order, len(documents), "\n".join(lines)))
    head = (f"# Rendered from the chart in deploy/helm with values/{name}.yaml, by `tests/deploy/charts.py --write`.\n"
            "#\n#   kubectl apply -f namespace.yaml\n")
    if name == "cluster":
        head += "#   kubectl apply -f my-secret.yaml          # a copy of secret.sample.yaml, filled in\n"
    head += (f"#   kubectl apply -f {name}.yaml\n#\n"
             "# First look through the ConfigMap (backend, policies) and name your image.\n")
    return head + "---\n" + "\n---\n".join(text for _, _, text in sorted(documents)) + "\n"


def described(lines):
    """Each key of a values file that has a comment above it: its path, what it says, its value."""
    rows, path, said = [], [], []
    for line in lines:
        key = re.match(r"( *)([A-Za-z_]+):(?: |$)", line)
        if comment := re.match(r" *# ?(.*)", line):
            said.append(comment.group(1))
            continue
        if key:
            path = path[: len(key.group(1)) // 2] + [key.group(2)]
            if said:
                rows.append((tuple(path), " ".join(said)))
        said = []
    return rows


def shortened(said):
    """The sentences that fit a cell of a table, and the others."""
    sentences = re.split(r"(?<=\.) (?=[A-Z`])", said)
    fit = 1
    while fit < len(sentences) and len(" ".join(sentences[: fit + 1])) < 150:
        fit += 1
    return " ".join(sentences[:fit]), " ".join(sentences[fit:])


def readme():
    """The chart's README: its text, and a table of the values made of values.yaml."""
    values = (CHART / "values.yaml").read_text()
    parsed = yaml.safe_load(values)
    rows, more = [], []
    for path, said in described(values.split("\n")):
        value = parsed
        for key in path:
            value = value[key]
        default = "" if isinstance(value, dict) and value else yaml.safe_dump(value, default_flow_style=True, width=10_000)
        default = default.replace("\n...", "").strip()
        shown = f"`{default}`" if default and len(default) < 80 else ""
        key, (said, rest) = ".".join(path), shortened(said)
        if rest:
            said += " …"
            more.append(f"* `{key}`: {rest}")
        rows.append(f"| `{key}` | {shown} | {said} |".replace("  ", " "))
    text = (CHART / "README.md").read_text()
    begin, end = "<!-- values: made by tests/deploy/charts.py -->\n", "<!-- end of values -->\n"
    head, rest = text.split(begin)
    table = "| value | default | what it does |\n|---|---|---|\n" + "\n".join(rows) + "\n\n" + "\n".join(more) + "\n"
    return head + begin + "\n" + table + "\n" + end + rest.split(end)[1]


def made():
    files = {PLAIN / f"{name}.yaml": plain(name) for name in ("cluster", "standalone")}
    return {**files, CHART / "README.md": readme()}


# Whether it is right.

class Judge:
    def __init__(self, judge):
        self.judge = judge

    def all(self):
        with scratch() as folder:
            self.folder = pathlib.Path(folder)
            crds.write(self.folder)
            self.files()
            texts = [(PLAIN / f"{name}.yaml").read_text() for name in ("cluster", "standalone")]
            for name, text in zip(("deploy/kubernetes/cluster.yaml", "deploy/kubernetes/standalone.yaml"), texts):
                self.rendered(name, text)
            for name in SETS:
                run(TOOLS / "deploy", "lint", CHART, CHART / name)
                texts.append(template(CHART / name))
                self.rendered(name, texts[-1])
            self.watched(SETS[-1])
            texts.append(template(CHART / SETS[-1], kubernetes=OLDEST, release="a-release-with-a-name-that-is-cut-since-it-is-long"))
            texts += [(PLAIN / f"{name}.yaml").read_text() for name in ("secret.sample", "namespace")]
            self.conforms("\n---\n".join(texts))
            self.refusals()
        for path, text in made().items():
            self.judge(path.read_text() == text, f"{path.relative_to(ROOT)}: not what the chart gives: tests/deploy/charts.py --write")
        documented = {path[0] for path, _ in described((CHART / "values.yaml").read_text().split("\n"))}
        for key in yaml.safe_load((CHART / "values.yaml").read_text()):
            self.judge(key in documented or key in ("global", "image", "serviceAccount", "standalone", "networkPolicy"),
                       f"values.yaml: `{key}` has no comment")

    def files(self):
        """What configurations read from secrets, so that they can be judged here."""
        os.environ["KAFKA_PASSWORD"] = "a password"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=wholetrace", "-keyout", self.folder / "tls.key", "-out", self.folder / "tls.crt")
        (self.folder / "ca.crt").write_text((self.folder / "tls.crt").read_text())
        (self.folder / "password").write_text("a password")
        (self.folder / "shop").write_text("a-token-of-more-than-sixteen-characters")
        (self.folder / "strategies.json").write_text('{"default_strategy": {"type": "probabilistic", "param": 1}}')

    def conforms(self, text):
        """All at once: reading the schemas takes most of the time."""
        built_in = TOOLS / "schemas/{{.NormalizedKubernetesVersion}}-local{{.StrictSuffix}}/{{.ResourceKind}}{{.KindSuffix}}.json"
        run(TOOLS / "kubeconform", "-strict", "-kubernetes-version", NEWEST, "-schema-location", built_in,
            "-schema-location", self.folder / "{{.ResourceKind}}.json", "-", input=text)

    def refusals(self):
        """Values that must not render, and what is said of them."""
        for values, said in (
            ("gateway: { replica: 3 }", "'replica' not allowed"),
            ("mode: both", "/mode"),
            ("image: { tag: latest }", "/image/tag"),
            ("mode: cluster", "config.log.kafka.brokers"),
            ("mode: cluster\nconfig: { log: { kafka: { brokers: [a] } } }\nsampler: { replicas: 17 }", "17 samplers share 16 partitions"),
            ("tls: { enabled: true }", "tls.secretName"),
            ("config: { receivers: { zipkin: { endpoint: \"127.0.0.1:9411\" } } }", "config.receivers.zipkin.endpoint"),
        ):
            path = self.folder / "refused.yaml"
            path.write_text(values)
            done = subprocess.run([TOOLS / "deploy", "template", CHART, "wholetrace", NEWEST, path], capture_output=True, text=True)
            self.judge(done.returncode != 0 and said in done.stderr, f"`{values}` renders, or is refused otherwise: {done.stderr[-300:]}")

    def rendered(self, name, text):
        self.objects = objects(text)
        kinds = {(each["kind"], each["metadata"]["name"]) for each in self.objects}
        self.judge(len(kinds) == len(self.objects), f"{name}: two objects of one name")
        self.workloads = [each for each in self.objects if each["kind"] in ("Deployment", "StatefulSet", "Job")]
        self.roles = {each["metadata"]["labels"]["app.kubernetes.io/component"] for each in self.workloads}
        self.judge(self.roles - {"topics"} in ({"standalone"}, {"gateway", "sampler"}), f"{name}: {self.roles}")
        for workload in self.workloads:
            self.workload(f"{name}: {workload['metadata']['name']}", workload)
        for each in self.objects:
            self.selects(f"{name}: {each['kind']} {each['metadata']['name']}", each)

    def watched(self, name):
        """Whether the objects last rendered have every rule and dashboard of deploy/mixin, as it stands there."""
        rules = [each["spec"] for each in self.objects if each["kind"] == "PrometheusRule"]
        for file in sorted((DEPLOY / "mixin/rules").iterdir()):
            self.judge(yaml.safe_load(file.read_text()) in rules, f"{name}: without deploy/mixin/rules/{file.name}")
        shown = {file: text for each in self.objects if each["kind"] == "ConfigMap" for file, text in each["data"].items()}
        for file in sorted((DEPLOY / "mixin/dashboards").iterdir()):
            self.judge(shown.get(file.name, "").rstrip() == file.read_text().rstrip(), f"{name}: without deploy/mixin/dashboards/{file.name}")

    def config(self, pod, folder):
        """The files that a pod sees in /etc/wholetrace, reading secrets from here."""
        maps = {each["metadata"]["name"]: each["data"] for each in self.objects if each["kind"] == "ConfigMap"}
        mounted = next(volume["configMap"]["name"] for volume in pod["volumes"] if volume["name"] == "config")
        for file, text in maps[mounted].items():
            (folder / file).write_text(re.sub(r"/etc/(?:wholetrace-)?(?:secrets/\w+|tls|strategies)/", f"{self.folder}/", text))
        return folder

    def workload(self, name, workload):
        judge, spec = self.judge, workload["spec"]
        pod = spec["template"]["spec"]
        container = pod["containers"][0]
        words, component = container["args"], container["name"]
        pod_is_safe(judge, name, pod, container)
        run(WHOLETRACE, *words[: words.index("--config")], "--help")
        mounts = {mount["name"] for mount in container["volumeMounts"]}
        volumes = {volume["name"] for volume in pod["volumes"]}
        volumes |= {claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", [])}
        judge(mounts == volumes, f"{name}: mounts {mounts} of {volumes}")
        with scratch() as folder:
            folder = self.config(pod, pathlib.Path(folder))
            files = [folder / word.removeprefix("/etc/wholetrace/") for word in words if word.startswith("/etc/wholetrace/")]
            costs = wholetrace_check(*files)
            config = yaml.safe_load(files[0].read_text())
        if component == "topics":
            return
        limit = container["resources"]["limits"]["memory"]
        judge_memory(judge, name, costs, component, limit)
        listening = listeners(judge, name, config)
        ports = {port["containerPort"] for port in container["ports"] if port["name"] != "more"}
        judge(ports == (listening if component != "sampler" else {admin_port(config)}), f"{name}: {ports} of {listening}")
        for probe, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
            judge(container[probe]["httpGet"] == {"path": path, "port": "admin"}, f"{name}: its {probe}")
        judge(pod["terminationGracePeriodSeconds"] > longest_stop(component, container, config), f"{name}: is killed before it has stopped")
        selector, labels = spec["selector"]["matchLabels"], spec["template"]["metadata"]["labels"]
        judge(selector.items() <= labels.items() and len(selector) == 3, f"{name}: selects other pods")
        for spread in pod.get("topologySpreadConstraints", []):
            judge(spread["labelSelector"]["matchLabels"].items() <= labels.items(), f"{name}: is spread by other pods")
        judge(component == "standalone" or pod["topologySpreadConstraints"], f"{name}: may be all on one node")
        if workload["kind"] == "StatefulSet":
            governing = [each for each in self.objects if each["kind"] == "Service" and each["metadata"]["name"] == spec["serviceName"]]
            judge(governing and governing[0]["spec"]["clusterIP"] == "None", f"{name}: has no governing service")

    def selects(self, name, each):
        judge, kind, spec = self.judge, each["kind"], each.get("spec", {})
        pods = lambda labels: [one["spec"]["template"] for one in self.workloads
                               if labels.items() <= one["spec"]["template"]["metadata"]["labels"].items()]
        if kind == "Service":
            found = pods(spec["selector"])
            named = {port["name"] for pod in found for port in pod["spec"]["containers"][0].get("ports", [])}
            judge(len(found) == 1 and {port["targetPort"] for port in spec["ports"]} <= named, f"{name}: leads nowhere")
        elif kind == "PodDisruptionBudget":
            judge(len(pods(spec["selector"]["matchLabels"])) == 1, f"{name}: protects nobody")
        elif kind == "NetworkPolicy":
            found = pods(spec["podSelector"]["matchLabels"])
            judge(len(found) == 1 or name.endswith("-topics"), f"{name}: is about nobody")
        elif kind in ("HorizontalPodAutoscaler", "ScaledObject"):
            target = spec["scaleTargetRef"]
            found = [one for one in self.workloads if (one["kind"], one["metadata"]["name"]) == (target["kind"], target["name"])]
            judge(found and "replicas" not in found[0]["spec"], f"{name}: scales nothing, or two set replicas")
        elif kind == "PodMonitor":
            found = pods(spec["selector"]["matchLabels"])
            judge({pod["spec"]["containers"][0]["name"] for pod in found} >= self.roles - {"topics"}, f"{name}: asks too few")
        elif kind == "ServiceMonitor":
            services = [one for one in self.objects if one["kind"] == "Service"
                        and spec["selector"]["matchLabels"].items() <= one["metadata"]["labels"].items()
                        and "admin" in {port["name"] for port in one["spec"]["ports"]}]
            found = [one["spec"]["selector"]["app.kubernetes.io/component"] for one in services]
            judge(sorted(found) == sorted(self.roles - {"topics"}), f"{name}: asks {found}")


def pod_is_safe(judge, name, pod, container):
    rights = {**pod["securityContext"], **container["securityContext"]}
    judge(rights["runAsNonRoot"] and rights["runAsUser"] != 0 and rights["readOnlyRootFilesystem"]
          and not rights["allowPrivilegeEscalation"] and rights["capabilities"] == {"drop": ["ALL"]}
          and pod["automountServiceAccountToken"] is False, f"{name}: has rights it does not need")


def admin_port(config):
    return int(config["admin"]["endpoint"].rsplit(":", 1)[1])


def listeners(judge, name, section):
    """The ports of all endpoints of receivers, and of the admin listener."""
    found = {admin_port(section)} if "admin" in section else set()
    for key, value in section.get("receivers", section).items():
        if key == "endpoint":
            judge(value.startswith(("0.0.0.0:", "[::]:")), f"{name}: `{value}` is not reached from outside its container")
            found.add(int(value.rsplit(":", 1)[1]))
        elif isinstance(value, dict):
            found |= listeners(judge, name, value)
    return found


def bytes_of(text):
    number, unit = re.fullmatch(r"(\d+)(Gi|Mi)?", str(text)).groups()
    return int(number) * {"Gi": 1 << 30, "Mi": 1 << 20, None: 1}[unit]


def judge_memory(judge, name, costs, role, limit):
    """A process takes nine tenths of its container's memory: what it may hold must fit."""
    allowed = bytes_of(limit) * 9 // 10 >> 20
    judge(costs[role] <= allowed, f"{name}: may hold {costs[role]} MiB of the {allowed} MiB it may take")


def longest_stop(component, container, config):
    """Seconds: the bounds of src/process.rs, and the wait before SIGTERM."""
    units = {"s": 1, "m": 60}
    drain = sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([sm])", config.get("limits", {}).get("drain_timeout", "10s")))
    source = (ROOT / "src/process.rs").read_text()
    bound = lambda name: int(re.search(rf"const {name}: Duration = Duration::from_secs\((\d+)\)", source).group(1))
    longest = bound("LOG_CLOSE_WITHIN") + bound("REST_STOP_WITHIN")
    if component != "sampler":
        longest += container["lifecycle"]["preStop"]["sleep"]["seconds"] + 2 * drain + bound("GATEWAY_SLACK")
    if component != "gateway":
        longest += bound("SAMPLER_STOP_WITHIN")
    return longest


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        raise SystemExit(__doc__)
    for path, text in made().items():
        path.write_text(text)
        print(path.relative_to(ROOT))
