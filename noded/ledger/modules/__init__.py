"""
The ledger's modules: `process_<operation>(state, op, context)`, one file a module.

Each has `HANDLERS` (operation → its function) and, where it schedules deadlines, `DEADLINES` (kind → its function);
adding one here makes the ledger use it.
"""

from typing import Final

from noded.ledger.modules import (
    access,
    audit,
    breakglass,
    consent,
    erasure,
    governance,
    groups,
    identity,
    membership,
    records,
)

MODULES: Final = (
    membership,
    governance,
    identity,
    groups,
    records,
    consent,
    access,
    breakglass,
    audit,
    erasure,
)
