"""Judges deploy/mixin: whether rules and dashboards name metrics and labels that there are, in a way
that fits their kinds, whether each alert can be understood, and whether the alerts' tests hold."""

import collections
import json
import pathlib
import re

import yaml

from files import DEPLOY, ROOT, TOOLS, run, scratch

MIXIN = DEPLOY / "mixin"
# Labels that Prometheus, or whoever has it scrape, gives to all series.
PLACE = {"cluster", "namespace", "job", "instance"}
OVER_COUNTERS = {"rate", "increase"}
OVER_GAUGES = {"min_over_time", "max_over_time", "avg_over_time", "predict_linear", "changes", "delta", "deriv"}
# That of Prometheus itself, and what it tells of the rules.
FOREIGN = {"up": {}}


def metrics():
    """The metrics of docs/metrics.md, which a test holds equal to the sources: kind and labels of each,
    and of a label the values that it can have, or None."""
    page = (ROOT / "docs/metrics.md").read_text()
    lists = {}
    for names, label, values in re.findall(r"^\* ((?:`\w+`(?:, )?)+): `(\w+)` is one of (.*)\.$", page, re.M):
        lists |= {(name, label): re.findall(r"`(\w+)`", values) for name in re.findall(r"`(\w+)`", names)}
    found = {}
    for name, kind, labels in re.findall(r"^\| `(wholetrace_\w+|process_\w+)` \| (\w+) \| \w* \| (.*?) \| ", page, re.M):
        values = {}
        for label in filter(None, re.split(r"; (?=`\w+`: )", labels)):
            own, said = re.fullmatch(r"`(\w+)`: (.*)", label).groups()
            closed = re.fullmatch(r"`\w+`(?:, `\w+`)*", said)
            values[own] = re.findall(r"`(\w+)`", said) if closed else lists.get((name, own))
        series = {name: kind} if kind != "histogram" else {name + part: "counter" for part in ("_bucket", "_sum", "_count")}
        for each, kind_of in series.items():
            found[each] = (kind_of, values | ({"le": None} if each.endswith("_bucket") else {}))
    return found


def rules():
    """All rules: each with the file that it stands in."""
    for file in sorted((MIXIN / "rules").glob("*.yaml")):
        for group in yaml.safe_load(file.read_text())["groups"]:
            for rule in group["rules"]:
                yield file.name, rule


def dashboards():
    return {file.name: json.loads(file.read_text()) for file in sorted((MIXIN / "dashboards").glob("*.json"))}


def panels(board):
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def judge_expression(judge, place, expression, known):
    """Whether series that an expression asks for are there, with their labels and values."""
    for selector in expression["selectors"]:
        name = selector["metric"]
        if name not in known:
            judge(False, f"{place}: there is no `{name}`")
            continue
        kind, labels = known[name]
        fits = {"counter": OVER_COUNTERS, "gauge": OVER_GAUGES | {""}}[kind]
        judge(selector["function"] in fits, f"{place}: `{selector['function']}` of the {kind} `{name}`")
        for label, operator, value in selector["matchers"]:
            judge(label in PLACE or label in labels, f"{place}: `{name}` has no label `{label}`")
            values = labels.get(label)
            if values and operator in ("=", "=~", "!~"):
                judge(set(value.split("|")) <= set(values), f"{place}: `{label}` of `{name}` is none of {value}")
    for grouping in expression["labels"]:
        for label in grouping["names"] or []:
            for name in grouping["metrics"]:
                there = name not in known or label in PLACE or label in known[name][1]
                judge(there, f"{place}: goes by `{label}`, which `{name}` has not")


def judge_alert(judge, place, rule, sections):
    judge(rule["labels"].get("severity") in ("critical", "warning"), f"{place}: its severity")
    said = rule["annotations"]
    judge(set(said) == {"summary", "description", "runbook_url"}, f"{place}: has the annotations {set(said)}")
    judge("$labels" in said["description"] or "$value" in said["description"], f"{place}: says nothing of the case")
    name = rule["alert"]
    judge(re.fullmatch(r"Wholetrace([A-Z][a-z]+)+", name), f"{place}: is not called as others are")
    judge(said["runbook_url"] == f"docs/runbooks.md#{name.lower()}", f"{place}: another runbook_url")
    judge(name in sections, f"{place}: docs/runbooks.md has no section of it")


def judge_board(judge, name, board):
    ids = collections.Counter(panel["id"] for panel in board["panels"])
    judge(max(ids.values()) == 1, f"{name}: panels with the same id")
    taken = set()
    for panel in board["panels"]:
        grid = panel["gridPos"]
        cells = {(x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])}
        judge(not cells & taken and grid["x"] + grid["w"] <= 24, f"{name}: `{panel['title']}` lies over another")
        taken |= cells
    chosen = {each["name"] for each in board["templating"]["list"]}
    judge(chosen == PLACE | {"datasource"}, f"{name}: has the variables {chosen}")
    for panel in panels(board):
        place = f"{name}: {panel['title']}"
        judge(panel["description"].endswith("."), f"{place}: no description")
        if panel["type"] == "alertlist":
            continue
        judge(panel["fieldConfig"]["defaults"]["unit"], f"{place}: no unit")
        for each in (panel, *panel["targets"]):
            judge(each["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, f"{place}: another data source")


def judge_queries(judge, name, expression):
    """A panel shows what the variables select, whatever they are."""
    for selector in expression["selectors"]:
        selected = {label for label, operator, value in selector["matchers"] if (operator, value) == ("=~", f"${label}")}
        judge(selected == PLACE, f"{name}: `{selector['metric']}` is selected by {selected} only")


def mixin(judge):
    """Tells `judge` what is wrong."""
    run("python3", "-B", MIXIN / "dashboards.py", "--check")
    known = metrics() | {name: ("gauge", labels) for name, labels in FOREIGN.items()}
    recorded = {rule["record"] for _, rule in rules() if "record" in rule}
    known |= {name: ("gauge", {}) for name in recorded}
    boards = dashboards()
    asked = [(f"{file}: {rule.get('alert', rule.get('record'))}", rule["expr"], False) for file, rule in rules()]
    for name, board in boards.items():
        asked += [(f"{name}: {panel['title']}", target["expr"], True) for panel in panels(board) for target in panel.get("targets", [])]
        asked += [(f"{name}: {each['name']}", each["expr"], True) for each in board["annotations"]["list"]]
        judge_board(judge, name, board)
    with scratch() as folder:
        texts = pathlib.Path(folder) / "expressions.json"
        texts.write_text(json.dumps([text.replace("$__rate_interval", "5m") for _, text, _ in asked]))
        parsed = json.loads(run(TOOLS / "deploy", "promql", texts))
    for (place, _, is_panel), expression in zip(asked, parsed):
        judge_expression(judge, place, expression, known)
        if is_panel:
            judge_queries(judge, place, expression)
    for what in ("uid", "title"):
        judge(len({board[what] for board in boards.values()}) == len(boards), f"dashboards with the same {what}")

    sections = re.findall(r"^## (Wholetrace\w+)$", (ROOT / "docs/runbooks.md").read_text(), re.M)
    alerts = [(file, rule) for file, rule in rules() if "alert" in rule]
    for file, rule in alerts:
        judge_alert(judge, f"{file}: {rule['alert']}", rule, sections)
    names = [rule["alert"] for _, rule in alerts]
    judge(sections == list(dict.fromkeys(names)), "docs/runbooks.md: has other alerts, or in another order, than alerts.yaml")
    tests = MIXIN / "tests/alerts.yaml"
    tested = {test["name"] for test in yaml.safe_load(tests.read_text())["tests"]}
    judge(tested >= {f"{rule['alert']} ({rule['labels']['severity']})" for _, rule in alerts}, "tests/alerts.yaml: an alert is not tested")
    run(TOOLS / "deploy", "rules", tests)
