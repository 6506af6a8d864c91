"""The files of deploy/ and examples/cluster as the programs that they are for read them, and what
Wholetrace says to its own."""

import json
import os
import pathlib
import re
import subprocess
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
TOOLS = ROOT / "tests/parts/.build/deploy"
WHOLETRACE = str(pathlib.Path(os.environ["WHOLETRACE"]).resolve())
ROLES = ("gateway", "sampler")


def run(*command, **options):
    """Runs a command to its end: its output, or an exception that has all it said."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def composition():
    """The services of the composition by name, merged and resolved."""
    return json.loads(run(TOOLS / "deploy", "compose", DEPLOY / "compose/compose.yaml"))["services"]


def mounted(service, path):
    """The file of this machine that a service of the composition sees at `path`."""
    for volume in service.get("volumes", []):
        if path.startswith(volume["target"] + "/") or path == volume["target"]:
            return pathlib.Path(volume["source"] + path[len(volume["target"]):])
    raise SystemExit(f"nothing is mounted at {path}")


def overlay(folder, name, settings):
    """A configuration file to lay over another one."""
    path = pathlib.Path(folder) / f"{name}.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def wholetrace_check(*files):
    """What processes with configurations laid over each other may take of the memory, in MiB by
    role; an exception if `wholetrace check` has anything against them."""
    said = run(WHOLETRACE, "check", *(word for file in files for word in ("--config", file)))
    return {role: int(mib) for role, mib in re.findall(r"# What an? (\w+) may take.*?together at most +(\d+)MiB", said, re.S)}


def scratch():
    """A folder that is gone afterwards."""
    return tempfile.TemporaryDirectory(prefix="wholetrace-deploy-")
