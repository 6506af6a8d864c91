"""Judges the units of deploy/systemd: their command lines by Wholetrace, the rest by systemd where it is."""

import re
import shutil
import subprocess

import yaml

from files import DEPLOY, ROOT, WHOLETRACE, scratch, wholetrace_check

INSTALLED = "/usr/local/bin/wholetrace"
CONFIG = "/etc/wholetrace/wholetrace.yaml"
SAMPLES = {"standalone": "standalone.yaml", "gateway": "cluster/cluster.yaml", "sampler": "cluster/cluster.yaml"}
# Of 10, where 10 is a process of root that may do everything.
EXPOSURE = 3.0


def settings(text):
    """Every `key=value` of a unit: all values of a key, in their order."""
    found = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", text, re.M):
        found.setdefault(key, []).append(value)
    return found


def drain_seconds(sample):
    """The time that requests in flight have at the end with this configuration."""
    drain = (yaml.safe_load(sample.read_text()).get("limits") or {}).get("drain_timeout")
    if drain is None:
        documented = (ROOT / "docs/configuration.md").read_text()
        drain = re.search(r"`limits.drain_timeout` \| duration \| `(\w+)`", documented).group(1)
    return int(re.fullmatch(r"(\d+)s", drain).group(1))


def units(judge):
    for role, name in SAMPLES.items():
        sample = ROOT / "examples" / name
        path = DEPLOY / f"systemd/wholetrace-{role}.service"
        unit = settings(path.read_text())
        wholetrace_check(sample)
        commands = unit["ExecStartPre"] + unit["ExecStart"] + unit["ExecReload"]
        ours = [command.split() for command in commands if command.startswith(INSTALLED + " ")]
        for words in ours:
            judge(CONFIG in words, f"{path.name}: `{' '.join(words)}` reads another configuration")
            # A command line that is understood fails with 1 for want of the file; another one with 2.
            tried = subprocess.run([WHOLETRACE, *words[1:]], capture_output=True, text=True)
            judge(tried.returncode == 1 and CONFIG in tried.stderr, f"{path.name}: `{' '.join(words)}`: {tried.stderr}")
        judge([words[1] for words in ours] == ["check", role, "check"], f"{path.name}: runs something else")
        judge(int(unit["TimeoutStopSec"][0]) > 2 * drain_seconds(sample), f"{path.name}: is killed while it drains")
        judge(unit["RestartPreventExitStatus"] == ["2"], f"{path.name}: 1 may pass by itself, 2 does not")
        judge("AF_UNIX" in unit["RestrictAddressFamilies"][0], f"{path.name}: forbids its socket")
        user = re.search(r"^u (\S+) ", (DEPLOY / "systemd/wholetrace.sysusers.conf").read_text(), re.M).group(1)
        judge(unit["User"] == [user], f"{path.name}: nobody makes its user")
        by_systemd(judge, path)


def by_systemd(judge, path):
    if not shutil.which("systemd-analyze"):
        print(f"{path.name}: not verified, systemd-analyze is not here")
        return
    with scratch() as folder:
        copy = DEPLOY.__class__(folder) / path.name
        copy.write_text(path.read_text().replace(INSTALLED, WHOLETRACE))
        said = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True)
        judge(path.name not in said.stderr, f"{path.name}: {said.stderr}")
        level = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", copy],
                               capture_output=True, text=True).stdout
        found = re.search(r"exposure level for \S+: ([\d.]+)", level)
        if found:
            judge(float(found.group(1)) <= EXPOSURE, f"{path.name}: exposure of {found.group(1)}")
            print(f"{path.name}: exposure {found.group(1)}")
        else:
            print(f"{path.name}: exposure not judged by this systemd")
