"""One node: its machine, its work, its peers, its clients."""

from panels import Dashboard, Panel, Query, by, one, quantile, quantiles, rate

NODE = Dashboard(
    uid="noded-node",
    title="noded: one node",
    rows=[
        [
            one("Processor", "Cores in use.", "short", rate("process_cpu_seconds_total")),
            one("Memory", "Resident memory.", "bytes", by("process_resident_memory_bytes")),
            Panel(
                title="Files and tasks",
                description="Descriptors in use, and tasks of the event loop.",
                unit="short",
                queries=[
                    Query(by("process_open_fds"), "{{instance}} files"),
                    Query(by("noded_tasks"), "{{instance}} tasks"),
                ],
            ),
            Panel(
                title="Disk",
                description="Space left, and what the ledger and the consensus log take.",
                unit="bytes",
                queries=[
                    Query(by("noded_disk_free_bytes"), "{{instance}} free"),
                    Query(by("noded_store_bytes"), "{{instance}} ledger"),
                    Query(by("noded_log_bytes"), "{{instance}} log"),
                ],
            ),
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
            Panel(
                title="Waiting for the core",
                description="Messages, timers and answers; and calls of clients.",
                unit="short",
                queries=[
                    Query(by("noded_inputs_waiting"), "{{instance}} inputs"),
                    Query(by("noded_calls_waiting"), "{{instance}} calls"),
                ],
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
            one(
                "Batches",
                "Batches of transactions that came to be held here, a second.",
                "ops",
                rate("noded_batches_total"),
            ),
        ],
        [
            one(
                "Messages in",
                "Messages from members, by kind.",
                "ops",
                f"sum by (kind) ({rate('noded_messages_total', direction='in')})",
                "{{kind}}",
            ),
            one(
                "Bytes out",
                "Encoded messages to members, by kind.",
                "Bps",
                f"sum by (kind) ({rate('noded_message_bytes_total', direction='out')})",
                "{{kind}}",
            ),
            one(
                "Queues",
                "Bytes that wait to be sent, by lane.",
                "bytes",
                by("noded_network_queue_bytes"),
                "{{instance}} {{lane}}",
            ),
            one(
                "Dropped",
                "Messages a second that a full queue did not take.",
                "ops",
                rate("noded_network_dropped_total"),
                "{{instance}} {{lane}}",
            ),
        ],
        [
            one(
                "Round trips",
                "Time to each member and back.",
                "s",
                by("noded_peer_round_trip_seconds"),
                "{{instance}} to {{peer}}",
            ),
            one(
                "Connections",
                "1 for each member that is connected.",
                "short",
                by("noded_peer_connected"),
                "{{instance}} to {{peer}}",
            ),
            one(
                "Penalties",
                "Points of each member for its faults; they decay, and at 100 it is cut off.",
                "short",
                by("noded_peer_penalty"),
                "{{instance}} of {{peer}}",
            ),
        ],
        [
            one(
                "API requests",
                "Answers a second, by status.",
                "ops",
                f"sum by (instance, status) ({rate('noded_api_requests_total')})",
                "{{instance}} {{status}}",
            ),
            one(
                "API times",
                "Time of the slowest answer in a hundred, by route.",
                "s",
                quantile(0.99, "noded_api_request_seconds", "route"),
                "{{route}}",
            ),
            one(
                "Settings",
                "Readings of the settings since the start, by result.",
                "short",
                by("noded_config_reloads_total"),
                "{{instance}} {{result}}",
            ),
        ],
    ],
)
