"""Views, votes, powers and reputations."""

from panels import Dashboard, Panel, Query, by, one, quantiles, rate, stat

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
            one(
                "Votes in the chain",
                "Votes of each validator that entered final blocks, a second.",
                "ops",
                f"max by (validator) ({rate('noded_validator_votes_total')})",
                "{{validator}}",
            ),
            one(
                "Proposals",
                "Final blocks of each proposer, a minute.",
                "cpm",
                f"60 * max by (validator) ({rate('noded_validator_proposals_total')})",
                "{{validator}}",
            ),
            one(
                "Skipped proposers",
                "Views given up, a minute, by who should have proposed.",
                "cpm",
                f"60 * max by (validator) ({rate('noded_validator_skips_total')})",
                "{{validator}}",
            ),
        ],
        [
            one("Epoch", "Powers change between epochs.", "short", by("noded_epoch")),
            stat(
                "Equivocations",
                "Pieces of evidence in final blocks since the nodes started.",
                "short",
                f"max({by('noded_equivocations_total')})",
                limits=[(1, "red")],
            ),
            Panel(
                title="Power within reach",
                description="Below the quorum no certificate can be made.",
                unit="short",
                queries=[
                    Query(by("noded_power_connected"), "{{instance}}"),
                    Query(f"max({by('noded_power_quorum')})", "quorum"),
                    Query(f"max({by('noded_power_all')})", "all"),
                ],
            ),
        ],
    ],
)
