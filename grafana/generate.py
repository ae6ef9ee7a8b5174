"""
Writes the dashboards: `python grafana/generate.py`; with `--check` it only says whether they are up to date.

A dashboard is a list of rows, a row a list of panels. All expressions select by the variables `job` and `instance`.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "dashboards"
WIDTH = 24
HEIGHT = 8

ALL = 'job=~"$job", instance=~"$instance"'
"""Selects what the variables at the top of the dashboard say."""


@dataclass(frozen=True, slots=True)
class Query:
    """One expression and how its series are called."""

    expr: str
    legend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One picture."""

    title: str
    description: str
    unit: str
    queries: Sequence[Query]
    kind: str = "timeseries"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """One page."""

    uid: str
    title: str
    rows: Sequence[Sequence[Panel]]


def by(name: str, extra: str = "") -> str:
    """A metric of the selected nodes."""
    return f"{name}{{{ALL}{', ' if extra else ''}{extra}}}"


def rate(name: str, extra: str = "") -> str:
    """Its rate over the dashboard's interval."""
    return f"rate({by(name, extra)}[$__rate_interval])"


def quantile(share: float, name: str) -> str:
    """A quantile of a histogram, by node."""
    return f"histogram_quantile({share}, sum by (instance, le) ({rate(name + '_bucket')}))"


def quantiles(name: str) -> list[Query]:
    """Median and tail of a histogram, by node."""
    return [
        Query(quantile(0.5, name), "{{instance}} p50"),
        Query(quantile(0.99, name), "{{instance}} p99"),
    ]


def one(
    title: str, description: str, unit: str, expr: str, legend: str = "{{instance}}", kind: str = "timeseries"
) -> Panel:
    """A panel with one expression."""
    return Panel(title=title, description=description, unit=unit, queries=[Query(expr, legend)], kind=kind)


NETWORK = Dashboard(
    uid="noded-network",
    title="noded: network overview",
    rows=[
        [
            one("Nodes", "Nodes that answer Prometheus.", "short", f"sum(up{{{ALL}}})", "nodes", "stat"),
            one("Height", "Highest block anywhere.", "short", f"max({by('noded_height')})", "height", "stat"),
            one(
                "Age of the last block",
                "An idle chain makes a block every idle interval.",
                "s",
                f"time() - max({by('noded_tip_timestamp_seconds')})",
                "age",
                "stat",
            ),
            one(
                "Halted",
                "Nodes that do not vote any more.",
                "short",
                f"sum({by('noded_halted')})",
                "halted",
                "stat",
            ),
        ],
        [
            one(
                "Transactions",
                "Final transactions a second at the node that saw most.",
                "ops",
                f"max by (result) ({rate('noded_transactions_total')})",
                "{{result}}",
            ),
            Panel(
                title="Finality",
                description="From a block's time to its being durable.",
                unit="s",
                queries=quantiles("noded_block_finality_seconds"),
            ),
        ],
        [
            one("Heights", "Nodes should go up together.", "short", by("noded_height")),
            one("Connected members", "Members that each node reaches.", "short", by("noded_peers")),
        ],
        [
            one("Blocks", "Blocks a second.", "ops", rate("noded_blocks_total")),
            one(
                "Traffic",
                "Encoded messages sent, by node.",
                "Bps",
                f"sum by (instance) ({rate('noded_message_bytes_total', 'direction=' + chr(34) + 'out' + chr(34))})",
            ),
        ],
    ],
)

NODE = Dashboard(
    uid="noded-node",
    title="noded: one node",
    rows=[
        [
            one("Processor", "Cores in use.", "short", rate("process_cpu_seconds_total")),
            one("Memory", "Resident memory.", "bytes", by("process_resident_memory_bytes")),
            one("Open files", "File descriptors in use.", "short", by("process_open_fds")),
        ],
        [
            Panel(
                title="Log syncs",
                description="Writing records and making them durable; finality waits for it.",
                unit="s",
                queries=quantiles("noded_log_sync_seconds"),
            ),
            Panel(
                title="Commits",
                description="Storing final blocks durably.",
                unit="s",
                queries=quantiles("noded_commit_seconds"),
            ),
            Panel(
                title="Steps",
                description="What the core takes for one input.",
                unit="s",
                queries=quantiles("noded_step_seconds"),
            ),
        ],
        [
            Panel(
                title="Signature checks",
                description="Judging the signatures of one step.",
                unit="s",
                queries=quantiles("noded_verify_seconds"),
            ),
            one("Signatures", "Signatures judged a second.", "ops", rate("noded_signatures_checked_total")),
            Panel(
                title="Loop lag",
                description="How late the event loop wakes a task.",
                unit="s",
                queries=quantiles("noded_loop_lag_seconds"),
            ),
        ],
        [
            one(
                "Messages in",
                "Messages from peers, by kind.",
                "ops",
                f"sum by (kind) ({rate('noded_messages_total', 'direction=' + chr(34) + 'in' + chr(34))})",
                "{{kind}}",
            ),
            one(
                "Bytes out",
                "Encoded messages to peers, by kind.",
                "Bps",
                f"sum by (kind) ({rate('noded_message_bytes_total', 'direction=' + chr(34) + 'out' + chr(34))})",
                "{{kind}}",
            ),
            one(
                "Waiting transactions",
                "Bytes of this node's clients not yet ordered.",
                "bytes",
                by("noded_unordered_bytes"),
            ),
        ],
    ],
)

CONSENSUS = Dashboard(
    uid="noded-consensus",
    title="noded: consensus and reputation",
    rows=[
        [
            one("View", "The view that each node is in.", "short", by("noded_view")),
            one("Stall", "Views given up since the last finalization.", "short", by("noded_stall")),
            one(
                "Validators not heard",
                "Validators without a vote in the present view.",
                "short",
                by("noded_validators_missing"),
            ),
        ],
        [
            one(
                "Votes",
                "Votes cast a second, by kind; nullify votes are timeouts.",
                "ops",
                f"sum by (kind) ({rate('noded_votes_total')})",
                "{{kind}}",
            ),
            Panel(
                title="Views per block",
                description="1 where every proposer delivers.",
                unit="short",
                queries=quantiles("noded_views_per_block"),
            ),
            Panel(
                title="Time between blocks",
                description="By the blocks' own times.",
                unit="s",
                queries=quantiles("noded_block_interval_seconds"),
            ),
        ],
        [
            one(
                "Voting power",
                "Of each validator in this epoch.",
                "short",
                f"max by (validator) ({by('noded_validator_power')})",
                "{{validator}}",
            ),
            one(
                "Reputation",
                "0 to 1, from observed conduct.",
                "percentunit",
                f"max by (validator) ({by('noded_validator_reputation')})",
                "{{validator}}",
            ),
            one(
                "Proposer share",
                "Part of all views in which a validator proposes.",
                "percentunit",
                f"max by (validator) ({by('noded_validator_share')})",
                "{{validator}}",
            ),
        ],
        [
            one("Epoch", "Powers change between epochs.", "short", by("noded_epoch")),
            one(
                "Equivocations",
                "Pieces of evidence in final blocks.",
                "short",
                f"max({by('noded_equivocations_total')})",
                "evidence",
                "stat",
            ),
            Panel(
                title="Power within reach",
                description="Below the quorum no certificate can be made.",
                unit="short",
                queries=[
                    Query(by("noded_power_connected"), "{{instance}}"),
                    Query(f"max({by('noded_power_quorum')})", "quorum"),
                ],
            ),
        ],
    ],
)


def events(*names: str) -> str:
    """What happened on the ledger a minute, by event."""
    chosen = "|".join(names)
    return f"60 * max by (event) ({rate('noded_events_total', f'event=~{chr(34)}{chosen}{chr(34)}')})"


LEDGER = Dashboard(
    uid="noded-ledger",
    title="noded: ledger and privacy",
    rows=[
        [
            one(
                "Records",
                "Registrations, amendments and withdrawals a minute.",
                "cpm",
                events("record.+"),
                "{{event}}",
            ),
            one(
                "Consents",
                "Grants, amendments and revocations a minute.",
                "cpm",
                events("consent.+"),
                "{{event}}",
            ),
        ],
        [
            one(
                "Access",
                "Requests permitted and denied, releases and receipts a minute.",
                "cpm",
                events("access.+"),
                "{{event}}",
            ),
            one(
                "Break-glass",
                "Emergency access opened, closed, reviewed, overdue, a minute.",
                "cpm",
                events("breakglass.+"),
                "{{event}}",
            ),
        ],
        [
            one(
                "Erasure and audit",
                "Requests, attestations, anchors and what is overdue, a minute.",
                "cpm",
                events("erasure.+", "audit.+"),
                "{{event}}",
            ),
            one(
                "Members",
                "Admissions, updates, suspensions, rotations and proposals a minute.",
                "cpm",
                events("org.+", "proposal.+"),
                "{{event}}",
            ),
        ],
        [
            one(
                "Transactions",
                "Final transactions a second.",
                "ops",
                f"max by (result) ({rate('noded_transactions_total')})",
                "{{result}}",
            ),
            one(
                "Submissions",
                "Transactions handed in a second, by refusal.",
                "ops",
                f"sum by (refused) ({rate('noded_submissions_total')})",
                "{{refused}}",
            ),
        ],
    ],
)

DASHBOARDS = {"network": NETWORK, "node": NODE, "consensus": CONSENSUS, "ledger": LEDGER}


def variable(name: str, query: str) -> dict[str, Any]:
    """A choice at the top of the page, filled from Prometheus."""
    return {
        "name": name,
        "label": name,
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
    }


def panel_json(panel: Panel, number: int, x: int, y: int, width: int) -> dict[str, Any]:
    """A panel as Grafana reads it."""
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "gridPos": {"x": x, "y": y, "w": width, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "expr": query.expr,
                "legendFormat": query.legend,
                "datasource": {"type": "prometheus", "uid": "${datasource}"},
            }
            for index, query in enumerate(panel.queries)
        ],
    }


def dashboard_json(dashboard: Dashboard) -> dict[str, Any]:
    """A dashboard as Grafana reads it."""
    panels = []
    for index, row in enumerate(dashboard.rows):
        width = WIDTH // len(row)
        for column, panel in enumerate(row):
            panels.append(panel_json(panel, len(panels) + 1, column * width, index * HEIGHT, width))
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": ["noded"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "15s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "label": "datasource", "type": "datasource", "query": "prometheus"},
                variable("job", "label_values(noded_height, job)"),
                variable("instance", 'label_values(noded_height{job=~"$job"}, instance)'),
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
            if not path.exists() or path.read_text() != text:
                stale.append(path.name)
        else:
            path.write_text(text)
    for name in stale:
        print(f"{name} is not what generate.py writes")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
