"""
Operations, one file a module of the ledger; importing this package registers them all.

Tags: membership 1–19, identity 20–39, records 40–59, consent and access 60–79, break-glass 80–89, audit and erasure
90–109, claims 110–129, supply 130–159, trials 160–179, research 180–199, care 200–219, reputation 220–239.
"""

from noded.types.operations import audit, breakglass, consent, identity, membership, records
from noded.types.operations.registry import OPERATIONS, Operation, operation, operations_by_name

__all__ = [
    "OPERATIONS",
    "Operation",
    "audit",
    "breakglass",
    "consent",
    "identity",
    "membership",
    "operation",
    "operations_by_name",
    "records",
]
