"""Writes the dashboards: `python grafana/generate.py`; with `--check` it only says whether they are up to date."""

import json
import sys
from pathlib import Path
from typing import Any

from pages.consensus import CONSENSUS
from pages.ledger import LEDGER
from pages.network import NETWORK
from pages.node import NODE
from pages.simulation import SIMULATION
from panels import SCRAPE_INTERVAL, Dashboard, Panel

FOLDER = Path(__file__).parent / "dashboards"
WIDTH = 24
"""Columns of a page."""

HEIGHT = 8
SCHEMA_VERSION = 39
"""Of Grafana 10.3; later ones read it."""

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}

DASHBOARDS = {
    "network": NETWORK,
    "node": NODE,
    "consensus": CONSENSUS,
    "ledger": LEDGER,
    "simulation": SIMULATION,
}


def variable(name: str, query: str) -> dict[str, Any]:
    """A choice at the top of the page, filled from Prometheus."""
    return {
        "name": name,
        "label": name,
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
    }


def panel_json(panel: Panel, number: int, x: int, y: int, width: int, interval: str) -> dict[str, Any]:
    """A panel as Grafana reads it."""
    steps = [{"color": "green", "value": None}]
    steps += [{"color": colour, "value": limit} for limit, colour in panel.limits]
    defaults: dict[str, Any] = {"unit": panel.unit}
    options: dict[str, Any] = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    if panel.kind == "stat":
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
        options = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "interval": interval,
        "gridPos": {"x": x, "y": y, "w": width, "h": HEIGHT},
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "expr": query.expr,
                "legendFormat": query.legend,
                "datasource": DATASOURCE,
            }
            for index, query in enumerate(panel.queries)
        ],
    }


def dashboard_json(dashboard: Dashboard) -> dict[str, Any]:
    """A dashboard as Grafana reads it."""
    panels: list[dict[str, Any]] = []
    nodes = dashboard.chosen_by
    for index, row in enumerate(dashboard.rows):
        width = WIDTH // len(row)
        for column, panel in enumerate(row):
            place = (column * width, index * HEIGHT, width)
            panels.append(panel_json(panel, len(panels) + 1, *place, dashboard.interval))
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": ["noded"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "graphTooltip": 1,
        "refresh": SCRAPE_INTERVAL,
        "time": {"from": "now-1h", "to": "now"},
        "annotations": {
            "list": [
                {
                    "name": "Alerts",
                    "enable": True,
                    "iconColor": "red",
                    "datasource": DATASOURCE,
                    "expr": 'ALERTS{alertstate="firing", job=~"$job"}',
                    "titleFormat": "{{alertname}} {{instance}}",
                }
            ]
        },
        "templating": {
            "list": [
                {"name": "datasource", "label": "datasource", "type": "datasource", "query": "prometheus"},
                variable("job", f"label_values({nodes}, job)"),
                variable("instance", f'label_values({nodes}{{job=~"$job"}}, instance)'),
            ]
        },
        "panels": panels,
    }


def main() -> int:
    """Write all dashboards, or compare them."""
    stale = []
    for name, dashboard in DASHBOARDS.items():
        path = FOLDER / f"{name}.json"
        text = json.dumps(dashboard_json(dashboard), indent=2, ensure_ascii=False) + "\n"
        if "--check" in sys.argv:
            if not path.exists() or path.read_text("utf-8") != text:
                stale.append(path.name)
        else:
            path.write_text(text, "utf-8")
    for name in stale:
        print(f"{name} is not what generate.py writes")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
