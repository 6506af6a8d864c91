"""Panels and dashboards as Grafana's JSON model has them, with what is the same in all of ours."""

SCHEMA = 39
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 24
VARIABLES = ("cluster", "namespace", "job", "instance")
SELECTED = ", ".join(f'{name}=~"${name}"' for name in VARIABLES)


def query(text):
    """An expression of which each `metric{…}` or `metric[…]` shows what the variables select.

    `{}` stands for the labels that the variables select, `{reason="x", }` for these and more, and
    `[]` for the interval that fits what is looked at."""
    text = text.replace("[]", "[$__rate_interval]")
    return text.replace(", }", f", {SELECTED}}}").replace("{}", f"{{{SELECTED}}}")


def targets(queries, table=False):
    """`queries` is text, or pairs of a text and what its series are called."""
    pairs = [(queries, "")] if isinstance(queries, str) else queries
    made = []
    for number, (text, legend) in enumerate(pairs):
        target = {"refId": chr(ord("A") + number), "datasource": DATASOURCE, "expr": query(text),
                  "legendFormat": legend or "__auto"}
        if table:
            target |= {"instant": True, "format": "table"}
        made.append(target)
    return made


def panel(kind, title, description, queries, unit, width, height, options, defaults, table=False):
    return {
        "type": kind, "title": title, "description": description, "datasource": DATASOURCE,
        "gridPos": {"w": width, "h": height}, "targets": targets(queries, table), "options": options,
        "fieldConfig": {"defaults": {"unit": unit, **defaults}, "overrides": []},
    }


def thresholds(steps):
    """`steps` are values from which on a colour holds; below the first all is well."""
    made = [{"color": "green", "value": None}]
    return {"mode": "absolute", "steps": made + [{"color": color, "value": value} for value, color in steps]}


def lines(title, description, queries, unit="short", width=8, steps=(), stacked=False):
    """Series over time. `steps` are drawn as lines: where an alert is."""
    custom = {"fillOpacity": 10, "showPoints": "never", "lineWidth": 1}
    if stacked:
        custom |= {"stacking": {"mode": "normal", "group": "A"}, "fillOpacity": 40}
    if steps:
        custom["thresholdsStyle"] = {"mode": "dashed"}
    options = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}
    return panel("timeseries", title, description, queries, unit, width, 8, options,
                 {"custom": custom, "min": 0, "thresholds": thresholds(steps)})


def stat(title, description, text, unit="short", steps=(), decimals=None):
    """One figure, coloured by how it stands."""
    options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "background" if steps else "value",
               "graphMode": "area", "textMode": "auto"}
    defaults = {"thresholds": thresholds(steps), "noValue": "–"}
    if decimals is not None:
        defaults["decimals"] = decimals
    return panel("stat", title, description, text, unit, 4, 4, options, defaults)


def heatmap(title, description, text, unit="s", width=8):
    """How many values fell into each bucket of a histogram, over time."""
    options = {"calculate": False, "yAxis": {"unit": unit}, "cellGap": 1, "color": {"mode": "scheme", "scheme": "Oranges"},
               "tooltip": {"mode": "single"}}
    made = panel("heatmap", title, description, [(text, "{{le}}")], unit, width, 8, options, {})
    made["targets"][0]["format"] = "heatmap"
    return made


def table(title, description, text, unit="short", width=8):
    """The labels and values of now."""
    made = panel("table", title, description, text, unit, width, 8, {"showHeader": True}, {}, table=True)
    made["transformations"] = [{"id": "organize", "options": {"excludeByName": {"Time": True}}}]
    return made


def alerts(title, description):
    """The alerts of ours that fire or are about to."""
    return {
        "type": "alertlist", "title": title, "description": description, "gridPos": {"w": WIDTH, "h": 6},
        "options": {"alertName": "Wholetrace", "stateFilter": {"firing": True, "pending": True}, "viewMode": "list",
                    "datasource": "${datasource}", "groupMode": "default", "maxItems": 20, "sortOrder": 3},
    }


def row(title):
    return {"type": "row", "title": title, "collapsed": False, "gridPos": {"w": WIDTH, "h": 1}, "panels": []}


def placed(panels):
    """The panels from left to right and top to bottom, each with a number of its own."""
    x = y = height = 0
    for number, each in enumerate(panels, 1):
        grid = each["gridPos"]
        if x + grid["w"] > WIDTH:
            x, y, height = 0, y + height, 0
        grid |= {"x": x, "y": y}
        each["id"] = number
        x, height = x + grid["w"], max(height, grid["h"])
    return panels


def variable(name, others):
    """A label whose values can be chosen, of what the `others` before it leave."""
    chosen = ", ".join(f'{other}=~"${other}"' for other in others)
    definition = f"label_values(wholetrace_process_build_info{{{chosen}}}, {name})"
    return {"name": name, "label": name, "type": "query", "datasource": DATASOURCE, "definition": definition,
            "query": {"query": definition, "refId": name}, "refresh": 2, "sort": 1, "multi": True,
            # Also where there is no such label.
            "includeAll": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"}, "hide": 0}


def annotation(name, color, text):
    return {"name": name, "datasource": DATASOURCE, "enable": True, "iconColor": color, "expr": query(text),
            "titleFormat": name, "textFormat": "{{job}} {{instance}}", "step": "60s"}


def dashboard(uid, title, description, panels):
    source = {"name": "datasource", "label": "data source", "type": "datasource", "query": "prometheus", "hide": 0,
              "current": {}, "regex": ""}
    return {
        "uid": f"wholetrace-{uid}", "title": f"Wholetrace / {title}", "description": description, "tags": ["wholetrace"],
        "schemaVersion": SCHEMA, "version": 1, "editable": True, "graphTooltip": 1, "timezone": "",
        "time": {"from": "now-1h", "to": "now"}, "refresh": "30s",
        "templating": {"list": [source, *(variable(name, VARIABLES[:at]) for at, name in enumerate(VARIABLES))]},
        "annotations": {"list": [
            annotation("start of a process", "blue", "changes(process_start_time_seconds{}[2m]) > 0"),
            annotation("reload of the policies", "purple", "increase(wholetrace_process_policy_reloads_total{}[2m]) > 0"),
        ]},
        "links": [{"type": "dashboards", "title": "Wholetrace", "tags": ["wholetrace"], "asDropdown": True, "includeVars": True,
                   "keepTime": True, "targetBlank": False, "icon": "external link", "tooltip": "", "url": ""}],
        "panels": placed(panels),
    }
