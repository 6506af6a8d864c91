"""Judges the files of deploy/ and examples/cluster without starting anything; see `check`."""

import fnmatch
import re
import shutil
import subprocess

import yaml

import charts
from files import DEPLOY, ROLES, ROOT, TOOLS, WHOLETRACE, composition, mounted, run, scratch, wholetrace_check
from mixin import mixin
from systemd import units

problems = []


def judge(fine, problem):
    if not fine:
        problems.append(problem)


def container_ports(config):
    """The ports that processes with this configuration listen on."""
    otlp = config["receivers"]["otlp"]["protocols"]
    endpoints = [otlp["grpc"]["endpoint"], otlp["http"]["endpoint"], config["admin"]["endpoint"]]
    endpoints += [config["receivers"]["zipkin"]["endpoint"]] if "zipkin" in config["receivers"] else []
    for endpoint in endpoints:
        judge(endpoint.startswith("0.0.0.0:"), f"`{endpoint}` is not reached from outside its container")
    return {int(endpoint.rsplit(":", 1)[1]) for endpoint in endpoints}


def image():
    text = (DEPLOY / "Dockerfile").read_text()
    channel = re.search(r'channel = "(.*)"', (ROOT / "rust-toolchain.toml").read_text()).group(1)
    judge(f"FROM rust:{channel}-" in text, f"Dockerfile: not the Rust of rust-toolchain.toml, {channel}")
    user = re.findall(r"^USER (\d+):\d+$", text, re.M)
    judge(user and user[-1] != "0", "Dockerfile: runs as root")
    exposed = set(map(int, re.search(r"^EXPOSE (.*)$", text, re.M).group(1).split()))
    composed = yaml.safe_load((DEPLOY / "compose/wholetrace/wholetrace.yaml").read_text())
    for config in (composed, yaml.safe_load((charts.CHART / "values.yaml").read_text())["config"]):
        ports = container_ports(config)
        judge(ports <= exposed, f"Dockerfile: of {ports} only {exposed} are exposed")
    build_context()


def build_context():
    """Whether what .dockerignore leaves is a workspace that cargo can build without a change."""
    rules = [line for line in (ROOT / ".dockerignore").read_text().split("\n") if line and line[0] != "#"]
    files = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).split("\n")[:-1]

    def left(file):
        kept = True
        for rule in rules:
            pattern = rule.lstrip("!")
            if fnmatch.fnmatch(file, pattern) or fnmatch.fnmatch(file, pattern + "/*"):
                kept = rule.startswith("!")
        return kept

    with scratch() as folder:
        for file in filter(left, files):
            if (ROOT / file).is_file():
                target = DEPLOY.__class__(folder) / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / file, target)
        judge(not (DEPLOY.__class__(folder) / "rust-toolchain.toml").exists(), "the image would fetch a compiler")
        tree = run("cargo", "metadata", "--locked", "--offline", "--format-version", "1", "--no-deps", cwd=folder)
        for source in re.findall(r'"src_path":"([^"]*)"', tree):
            judge(DEPLOY.__class__(source).is_file(), f"the image lacks {source.removeprefix(folder)}")


def composed():
    services = composition()
    config = yaml.safe_load((DEPLOY / "compose/wholetrace/wholetrace.yaml").read_text())
    ours = {name: service for name, service in services.items() if service["image"] == "wholetrace:local"}
    judge(set(ROLES) < set(ours), "compose: a role is missing")
    for name, service in ours.items():
        build = service["build"]
        judge((DEPLOY.__class__(build["context"]) / build["dockerfile"]).is_file(), f"compose: {name} is built from nothing")
        subcommand = service["command"][:2] if service["command"][0] == "topics" else service["command"][:1]
        run(WHOLETRACE, *subcommand, "--help")
        if "--config" in service["command"]:
            path = service["command"][service["command"].index("--config") + 1]
            costs = wholetrace_check(mounted(service, path))
            if name in ROLES:
                charts.judge_memory(judge, name, costs, name, service["deploy"]["resources"]["limits"]["memory"])
    for service in services.values():
        for volume in service.get("volumes", []):
            if volume["type"] == "bind":
                judge(DEPLOY.__class__(volume["source"]).exists(), f"compose: {volume['source']} does not exist")
    brokers = {f"{name}:9092" for name in services if name.startswith("kafka-")}
    judge(set(config["log"]["kafka"]["brokers"]) == brokers, "compose: other brokers than in wholetrace.yaml")
    judge(config["exporters"]["otlp/jaeger"]["endpoint"] == "jaeger:4317", "compose: kept traces go elsewhere")

    run(TOOLS / "python/bin/envoy", "--mode", "validate", "--log-level", "warn",
        "--config-path", mounted(services["load-balancer"], "/etc/envoy/envoy.yaml"))
    balanced = yaml.safe_load(mounted(services["load-balancer"], "/etc/envoy/envoy.yaml").read_text())
    ports = container_ports(config)
    for cluster in balanced["static_resources"]["clusters"]:
        endpoint = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
        address = endpoint["address"]["socket_address"]
        judge(address["address"] in services and address["port_value"] in ports
              and endpoint["health_check_config"]["port_value"] in ports, f"envoy: {cluster['name']} leads nowhere")

    watched(services, ports)


def watched(services, ports):
    """Whether Prometheus finds the processes and the rules, and Grafana the dashboards."""
    file = mounted(services["prometheus"], "/etc/prometheus/prometheus.yaml")
    run(TOOLS / "deploy", "prometheus", file)
    scraped = yaml.safe_load(file.read_text())
    for pattern in scraped["rule_files"]:
        folder = mounted(services["prometheus"], pattern.rsplit("/", 1)[0])
        judge(folder == DEPLOY / "mixin/rules", "prometheus: does not load the rules of deploy/mixin")
    grafana = services["grafana"]
    provided = yaml.safe_load(mounted(grafana, "/etc/grafana/provisioning/dashboards/wholetrace.yaml").read_text())
    paths = [provider["options"]["path"] for provider in provided["providers"]]
    paths.append(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    judge(all(mounted(grafana, path).exists() for path in paths), f"grafana: {paths} are not all there")
    source = yaml.safe_load(mounted(grafana, "/etc/grafana/provisioning/datasources/wholetrace.yaml").read_text())["datasources"][0]
    judge(source["url"] == "http://prometheus:9090", "grafana: asks another Prometheus")
    jobs = [job["job_name"] for job in scraped["scrape_configs"]]
    judge(sum("wholetrace" in job for job in jobs) == len(ROLES), "prometheus: jobs that the alerts do not know")
    for job in scraped["scrape_configs"]:
        for found in job.get("dns_sd_configs", []):
            judge(set(found["names"]) <= set(services) and found["port"] in ports, f"prometheus: {job['job_name']} finds nobody")


def orchestrated():
    charts.Judge(judge).all()
    text = (DEPLOY / "kubernetes/cluster.yaml").read_text()
    secret = yaml.safe_load((DEPLOY / "kubernetes/secret.sample.yaml").read_text())
    read = set(re.findall(r"/etc/wholetrace-secrets/kafka/([\w.]+)", text))
    judge(read == set(secret["stringData"]), f"kubernetes: the configuration reads {read}, the secret has other keys")


def pages():
    """Whether what the pages for operators name is there: metrics, and keys of the configuration."""
    metrics = (ROOT / "docs/metrics.md").read_text()
    keys = (ROOT / "docs/configuration.md").read_text()
    sections = "log\\.kafka|tail_sampling|limits|memory|producer|consumer|spans|decisions|dead_letters"
    for page in ("cluster", "kubernetes", "scaling", "sending", "observing", "troubleshooting", "dead-letters", "runbooks"):
        text = (ROOT / f"docs/{page}.md").read_text()
        for name in set(re.findall(r"`(wholetrace_\w+)", text)):
            judge(f"| `{name}` |" in metrics, f"docs/{page}.md: there is no metric `{name}`")
        for key in set(re.findall(rf"`((?:{sections})\.[a-z_.]+)`", text)):
            judge(f"{key}` |" in keys, f"docs/{page}.md: there is no setting `{key}`")


def dashboards_and_alerts():
    mixin(judge)


def systemd():
    units(judge)


def examples():
    wholetrace_check(ROOT / "examples/cluster/cluster.yaml")
    for script in ("examples/cluster/run", "tests/parts/kafka/cluster", "tests/parts/install.sh", "tests/deploy/check"):
        subprocess.run(["bash", "-n", script], cwd=ROOT, check=True)


for part in (image, composed, orchestrated, pages, dashboards_and_alerts, systemd, examples):
    part()
    print(f"{part.__name__}: judged")
if problems:
    raise SystemExit("\n".join(problems))
