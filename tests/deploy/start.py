"""Starts the commands of the containers with the files that they mount, outside of containers: the
composition's against a real Kafka, Envoy and Jaeger, with a real Collector that reads the spans
topic beside them, then those that the Helm chart has rendered for Kubernetes: gateway and sampler
against a Kafka that demands TLS and SCRAM, and the single pod. Only addresses and sizes are laid
over: nobody resolves the names here."""

import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import yaml

import charts
from files import DEPLOY, ROOT, TOOLS, WHOLETRACE, composition, mounted, overlay, run, scratch

CLUSTER = ROOT / "tests/parts/kafka/cluster"
JAEGER = ROOT / "tests/parts/.build/jaeger/jaeger"
COLLECTOR = ROOT / "tests/parts/.build/collector/collector"
WAIT = 90.0


def free_port():
    """Below those that connections take: nobody has it a moment later, unless a test like this."""
    while True:
        port = random.randrange(10_000, 20_000)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


def get(port, path):
    """The body of an answer of 200, else nothing."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.read().decode()
    except (urllib.error.URLError, OSError):
        return None


def until(what, condition, processes=()):
    """Polls until the condition holds, and fails when a process has ended or time is up."""
    end = time.monotonic() + WAIT
    while not condition():
        for process in processes:
            if process.poll() is not None:
                raise SystemExit(f"{what}: {process.log} ended with {process.returncode}\n{process.log.read_text()[-2000:]}")
        if time.monotonic() > end:
            logs = "\n".join(f"{process.log}: {process.log.read_text()[-1000:]}" for process in processes)
            raise SystemExit(f"{what}: not within {WAIT} s\n{logs}")
        time.sleep(0.1)


class World:
    """A folder, a Kafka, and processes that end with it."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.started = []
        self.kafka = self.folder / "kafka"

    def __enter__(self):
        run(CLUSTER, "start", self.kafka, "--secure")
        return self

    def __exit__(self, *_):
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.wait()
        run(CLUSTER, "stop", self.kafka)

    def brokers(self, listener):
        return run(CLUSTER, "brokers", self.kafka, listener).strip().split(",")

    def start(self, name, *command, env=None):
        log = self.folder / f"{name}.log"
        process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                                   stdout=log.open("w"), stderr=subprocess.STDOUT, env=env)
        process.log = log
        self.started.append(process)
        return process


def stop(processes, grace):
    """SIGTERM, as a container's end begins: they must end well within their grace period."""
    for process in processes:
        process.send_signal(signal.SIGTERM)
    end = time.monotonic() + grace
    for process in processes:
        code = process.wait(timeout=max(1.0, end - time.monotonic()))
        said = process.log.read_text()
        if code != 0 or '"level":"ERROR"' in said:
            raise SystemExit(f"{process.log} ended with {code}\n{said[-4000:]}")


def here(command, target_to_source, *layers):
    """A container's command with the file that it has there, and ours laid over it."""
    words = [str(target_to_source(word)) if word.startswith("/etc/wholetrace/") else word for word in command]
    for layer in layers:
        words += ["--config", layer]
    return [WHOLETRACE, *words]


def sent_spans(admin):
    lines = (get(admin, "/metrics") or "").split("\n")
    return sum(float(line.split()[-1]) for line in lines if line.startswith("wholetrace_exporter_sent_spans_total"))


def gateway_addresses(grpc, http, admin):
    endpoint = lambda port: {"endpoint": f"127.0.0.1:{port}"}
    return {"receivers": {"otlp": {"protocols": {"grpc": endpoint(grpc), "http": endpoint(http)}},
                          "zipkin": endpoint(0)},
            "admin": endpoint(admin)}


def start_jaeger(world, file):
    query, otlp = free_port(), free_port()
    settings = {"extensions.jaeger_query.http.endpoint": query, "receivers.otlp.protocols.grpc.endpoint": otlp,
                "extensions.jaeger_query.grpc.endpoint": free_port(), "extensions.healthcheckv2.http.endpoint": free_port()}
    jaeger = world.start("jaeger", JAEGER, "--config", file, "--set=service.telemetry.metrics.level=none",
                         *(f"--set={key}=127.0.0.1:{port}" for key, port in settings.items()))
    until("jaeger", lambda: get(query, "/api/services"), [jaeger])
    return query, otlp


def start_envoy(world, file, gateways):
    """The composition's Envoy in front of these gateways: (grpc, http, admin) ports of each."""
    config = yaml.safe_load(file.read_text())
    ports = {"otlp_grpc": free_port(), "otlp_http": free_port()}
    admin = free_port()
    config["admin"]["address"]["socket_address"].update(address="127.0.0.1", port_value=admin)
    for listener in config["static_resources"]["listeners"]:
        listener["address"]["socket_address"].update(address="127.0.0.1", port_value=ports[listener["name"]])
    for cluster in config["static_resources"]["clusters"]:
        which = 0 if cluster["name"] == "gateways_grpc" else 1
        cluster["load_assignment"]["endpoints"][0]["lb_endpoints"] = [{"endpoint": {
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": gateway[which]}},
            "health_check_config": {"port_value": gateway[2]},
        }} for gateway in gateways]
    path = overlay(world.folder, "envoy", config)
    envoy = world.start("envoy", TOOLS / "python/bin/envoy", "--config-path", path, "--use-dynamic-base-id", "--concurrency", "1")
    until("envoy", lambda: "healthy" in (get(admin, "/clusters") or "") and get(admin, "/ready"), [envoy])
    return ports


def start_collector(world, topic):
    """A Collector that reads a topic into a file."""
    text = (ROOT / "tests/parts/collector/read-spans.yaml").read_text()
    read = world.folder / "read-spans.jsonl"
    for word, value in (("BROKERS", ",".join(world.brokers("plaintext"))), ("TOPIC", topic), ("FILE", str(read))):
        text = text.replace(word, value)
    config = world.folder / "read-spans.yaml"
    config.write_text(text)
    return world.start("collector", COLLECTOR, "--config", config), read


def spans_in(file):
    """The spans in lines of OTLP/JSON, each once; a last line that is not whole yet is left out."""
    lines = file.read_text().split("\n")[:-1] if file.exists() else []
    return {(span["traceId"], span["spanId"]) for line in lines for resource in json.loads(line).get("resourceSpans", [])
            for scope in resource.get("scopeSpans", []) for span in scope["spans"]}


def send(*command):
    """Runs a sender to its end: how many spans were acknowledged."""
    said = run(WHOLETRACE, *command).strip()
    print(said)
    return int(re.match(r"(\d+) spans of ", said).group(1))


def the_composition(world):
    services = composition()
    kafka = {"log": {"kafka": {"brokers": world.brokers("plaintext")}}}
    query, otlp = start_jaeger(world, mounted(services["jaeger"], "/etc/jaeger/jaeger.yaml"))
    common = overlay(world.folder, "here", {**kafka, "exporters": {"otlp/jaeger": {"endpoint": f"127.0.0.1:{otlp}"}}})
    command = lambda name, *layers: here(services[name]["command"], lambda path: mounted(services[name], path), common, *layers)
    print(run(*command("topics")))

    gateways, samplers, processes = [], [], {"gateway": [], "sampler": []}
    for name, ports_of in (("gateway", gateways), ("sampler", samplers)):
        for number in range(services[name]["deploy"]["replicas"]):
            ports = (free_port(), free_port(), free_port())
            layer = overlay(world.folder, f"{name}-{number}", gateway_addresses(*ports))
            ports_of.append(ports)
            processes[name].append(world.start(f"{name}-{number}", *command(name, layer)))
    every = processes["gateway"] + processes["sampler"]
    for ports in gateways + samplers:
        until("ready", lambda: get(ports[2], "/readyz"), every)
    print(f"{len(gateways)} gateways and {len(samplers)} samplers are ready")

    balanced = start_envoy(world, mounted(services["load-balancer"], "/etc/envoy/envoy.yaml"), gateways)
    sender = list(services["sender"]["command"])
    sender[sender.index("--endpoint") + 1] = f"http://127.0.0.1:{balanced['otlp_grpc']}"
    sent = send(*sender, "--duration", "5s", "--late", "0")
    sender[sender.index("--endpoint") + 1] = f"http://127.0.0.1:{balanced['otlp_http']}"
    sent += send(*sender, "--protocol", "http", "--duration", "2s", "--late", "0", "--seed", "2")
    for number, ports in enumerate(gateways):
        lines = get(ports[2], "/metrics").split("\n")
        spans = sum(float(line.split()[-1]) for line in lines if line.startswith("wholetrace_gateway_spans_total"))
        if spans == 0:
            raise SystemExit(f"the load balancer sent nothing to gateway {number}")
    until("kept traces are in Jaeger", lambda: json.loads(get(query, "/api/services") or "{}").get("data"), every)

    collector, read = start_collector(world, "wholetrace-spans")
    until("a Collector reads the topic", lambda: len(spans_in(read)) >= sent, [collector])
    if len(spans_in(read)) != sent:
        raise SystemExit(f"{sent} spans were acknowledged, the Collector read {len(spans_in(read))}")
    print(f"a Collector has read all {sent} spans of the topic")
    stop(processes["gateway"], 60)
    stop(processes["sampler"], 60)
    print("the composition: kept traces are in Jaeger, and all stopped when asked to")
    return otlp


class Manifests:
    """A file of deploy/kubernetes, laid out in a folder as its pods would see it."""

    def __init__(self, world, name):
        self.folder = world.folder / f"manifests-{name}"
        (self.folder / "secrets").mkdir(parents=True)
        self.objects = {(each["kind"], each["metadata"]["name"]): each
                        for each in charts.objects((DEPLOY / f"kubernetes/{name}.yaml").read_text())}
        places = {"/etc/wholetrace-secrets/kafka/": self.folder / "secrets", "/var/lib/wholetrace/": self.folder / "volume"}
        for file, text in self.objects["ConfigMap", "wholetrace"]["data"].items():
            for there, place in places.items():
                text = text.replace(there, f"{place}/")
            (self.folder / file).write_text(text)

    def command(self, kind, name, *layers):
        """What the first pod of a workload runs, and its environment."""
        container = self.objects[kind, name]["spec"]["template"]["spec"]["containers"][0]
        fields = {"metadata.name": f"{name}-0"}
        environment = {each["name"]: each.get("value") or fields[each["valueFrom"]["fieldRef"]["fieldPath"]]
                       for each in container.get("env", [])}
        target = lambda word: self.folder / word.removeprefix("/etc/wholetrace/")
        return here(container["args"], target, *layers), {**os.environ, **environment}

    def ready(self, kind, name, admin):
        container = self.objects[kind, name]["spec"]["template"]["spec"]["containers"][0]
        return all(get(admin, container[probe]["httpGet"]["path"]) for probe in ("livenessProbe", "readinessProbe"))


def the_manifests(world, otlp):
    manifests = Manifests(world, "cluster")
    shutil.copy(world.kafka / "certs/ca.pem", manifests.folder / "secrets/ca.crt")
    shutil.copy(world.kafka / "password", manifests.folder / "secrets/password")
    # Beside the composition's topics in the same Kafka, and not too many for a test.
    topics = {topic: {"topic": f"manifests-{topic.replace('_', '-')}"} for topic in ("spans", "decisions", "dead_letters", "ring")}
    topics["spans"]["partitions"] = 6
    layer = overlay(world.folder, "manifests", {
        "log": {"kafka": {"brokers": world.brokers("sasl_ssl"), "group_id": "manifests", **topics}},
        "exporters": {"otlp/jaeger": {"endpoint": f"127.0.0.1:{otlp}"}},
        "tail_sampling": {"decision_wait": "5s"},
    })
    command, environment = manifests.command("Job", "wholetrace-topics", layer)
    print(run(*command, env=environment))
    pods = []
    for kind, name in (("Deployment", "wholetrace-gateway"), ("StatefulSet", "wholetrace-sampler")):
        ports = (free_port(), free_port(), free_port())
        command, environment = manifests.command(kind, name, layer, overlay(world.folder, name, gateway_addresses(*ports)))
        pods.append((kind, name, ports, world.start(name, *command, env=environment)))
    processes = [process for _, _, _, process in pods]
    for kind, name, ports, _ in pods:
        until("ready", lambda: manifests.ready(kind, name, ports[2]), processes)
    (_, _, gateway, _), (_, _, sampler, _) = pods
    run(WHOLETRACE, "generate", "--endpoint", f"http://127.0.0.1:{gateway[0]}", "--duration", "3s", "--late", "0", "--errors", "0.5")
    until("kept traces are exported", lambda: sent_spans(sampler[2]) > 0, processes)
    stop(processes, 60)
    print("the manifests: over TLS and SCRAM, kept traces are exported, and all stopped when asked to")


def the_single_pod(world, otlp):
    manifests, kind, name = Manifests(world, "standalone"), "StatefulSet", "wholetrace"
    grpc, http, admin = free_port(), free_port(), free_port()
    layer = overlay(world.folder, "standalone", {
        **gateway_addresses(grpc, http, admin),
        "exporters": {"otlp/jaeger": {"endpoint": f"127.0.0.1:{otlp}"}},
        "tail_sampling": {"decision_wait": "1s"},
    })
    command, environment = manifests.command(kind, name, layer)
    process = world.start(name, *command, env=environment)
    until("ready", lambda: manifests.ready(kind, name, admin), [process])
    run(WHOLETRACE, "generate", "--endpoint", f"http://127.0.0.1:{grpc}", "--duration", "1s", "--late", "0", "--errors", "0.5")
    until("kept traces are exported", lambda: sent_spans(admin) > 0, [process])
    stop([process], 90)
    if not list((manifests.folder / "volume").rglob("*")):
        raise SystemExit("the log is not on the volume")
    print("the single pod: kept traces are exported, its log is on the volume, and it stopped when asked to")


with scratch() as folder, World(folder) as world:
    otlp = the_composition(world)
    the_manifests(world, otlp)
    the_single_pod(world, otlp)
