"""Runs of the simulator, side by side in virtual time; `noded-sim metrics` brings them into Prometheus."""

from panels import Dashboard, Panel, Query, by, one, quantiles, rate, stat

SIMULATION = Dashboard(
    uid="noded-simulation",
    title="noded: simulation",
    chosen_by="noded_sim_height",
    interval="1s",
    rows=[
        [
            stat("Runs", "Runs that are shown.", "short", f"count({by('noded_sim_run')})"),
            Panel(
                title="Verdicts",
                description="Runs by how they ended.",
                unit="short",
                queries=[Query(f"count by (verdict) ({by('noded_sim_run')})", "{{verdict}}")],
                kind="stat",
            ),
            stat(
                "Violations",
                "Claims that checkers found broken.",
                "short",
                f"sum({by('noded_sim_violations_total')})",
                limits=[(1, "red")],
            ),
        ],
        [
            one(
                "Transactions",
                "Final transactions a virtual second.",
                "ops",
                rate("noded_sim_transactions_total"),
            ),
            Panel(
                title="Finality of blocks",
                description="From proposal to finalization, median over correct nodes.",
                unit="s",
                queries=quantiles("noded_sim_finality_seconds"),
            ),
            Panel(
                title="Finality of transactions",
                description="From the time at which a transaction was due to its being final.",
                unit="s",
                queries=quantiles("noded_sim_transaction_finality_seconds"),
            ),
        ],
        [
            Panel(
                title="Heights",
                description="The correct nodes that are furthest ahead and furthest behind.",
                unit="short",
                queries=[
                    Query(by("noded_sim_height"), "{{instance}} ahead"),
                    Query(by("noded_sim_height_lowest"), "{{instance}} behind"),
                ],
            ),
            one("Nodes up", "Crashes and restarts show here.", "short", by("noded_sim_nodes_up")),
            one(
                "Waiting transactions",
                "Submitted and not yet final.",
                "short",
                by("noded_sim_transactions_waiting"),
            ),
        ],
        [
            one("Messages", "Sent by all nodes, a virtual second.", "ops", rate("noded_sim_messages_total")),
            one("Traffic", "Sent by all nodes, a virtual second.", "Bps", rate("noded_sim_bytes_total")),
            one(
                "Lost messages",
                "Lost by the network, a virtual second.",
                "ops",
                rate("noded_sim_messages_lost_total"),
            ),
        ],
        [
            one(
                "Failed views",
                "Views that made no block of the chain, a virtual second.",
                "ops",
                rate("noded_sim_views_failed_total"),
            ),
            one(
                "Longest queue",
                "The most messages that ever waited at one node.",
                "short",
                by("noded_sim_inbox_peak"),
            ),
        ],
    ],
)
