"""All nodes at a glance."""

from panels import ALL, Dashboard, Panel, by, one, quantiles, rate, stat

NETWORK = Dashboard(
    uid="noded-network",
    title="noded: network overview",
    rows=[
        [
            stat("Nodes", "Nodes that answer Prometheus.", "short", f"sum(up{{{ALL}}})"),
            stat("Height", "Highest block anywhere.", "short", f"max({by('noded_height')})"),
            stat(
                "Age of the last block",
                "An idle chain makes a block every idle interval.",
                "s",
                f"time() - max({by('noded_tip_timestamp_seconds')})",
                limits=[(30, "yellow"), (80, "red")],
            ),
            stat(
                "Halted",
                "Nodes that do not vote any more, because their state differs.",
                "short",
                f"sum({by('noded_halted')})",
                limits=[(1, "red")],
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
            one(
                "Catching up",
                "Part of the time in which a node fetched blocks that others have.",
                "percentunit",
                f"avg_over_time({by('noded_syncing')}[$__rate_interval])",
            ),
        ],
        [
            one("Blocks", "Blocks a second.", "ops", rate("noded_blocks_total")),
            one(
                "Traffic",
                "Bytes sent to members, by node and lane.",
                "Bps",
                f"sum by (instance, lane) ({rate('noded_network_bytes_total', direction='out')})",
                "{{instance}} {{lane}}",
            ),
            one(
                "Versions",
                "Nodes by version of the program.",
                "short",
                f"count by (version) ({by('noded_build_info')})",
                "{{version}}",
            ),
        ],
    ],
)
