"""What happens on the ledger: records, consents, access, emergencies, members."""

from panels import Dashboard, by, one, rate


def events(*names: str) -> str:
    """What happened on the ledger a minute, by event."""
    return f"60 * max by (event) ({rate('noded_events_total', event='~' + '|'.join(names))})"


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
                "Grants, amendments, revocations and expiries a minute.",
                "cpm",
                events("consent.+"),
                "{{event}}",
            ),
            one(
                "Patients",
                "Registrations, key rotations and delegates a minute.",
                "cpm",
                events("patient.+", "delegate.+", "key.+"),
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
            one(
                "Erasure and audit",
                "Requests, attestations, anchors and what is overdue, a minute.",
                "cpm",
                events("erasure.+", "audit.+"),
                "{{event}}",
            ),
        ],
        [
            one(
                "Records handed out",
                "Encrypted bytes of records, to members and from them.",
                "Bps",
                f"sum by (instance, direction) ({rate('noded_blob_bytes_total')})",
                "{{instance}} {{direction}}",
            ),
            one(
                "Questions for records",
                "What members asked for, a minute; refused is what the ledger does not permit.",
                "cpm",
                f"60 * sum by (instance, result) ({rate('noded_blob_requests_total')})",
                "{{instance}} {{result}}",
            ),
            one(
                "Members",
                "Admissions, updates, suspensions, rotations and proposals a minute.",
                "cpm",
                events("org.+", "proposal.+", "group.+"),
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
                "Transactions handed in a second; an accepted one has no reason.",
                "ops",
                f"sum by (refused) ({rate('noded_submissions_total')})",
                "{{refused}}",
            ),
            one(
                "Waiting transactions",
                "Bytes of a node's clients not yet ordered.",
                "bytes",
                by("noded_unordered_bytes"),
            ),
        ],
    ],
)
