"""What epochs' tables say, as tests compare it."""

from typing import Any

from noded.types.operations.membership import ValidatorReady
from tests.helpers.ledger import TestChain, account, key_of


def powers(chain: TestChain) -> dict[int, int]:
    return {int.from_bytes(each.id[:2]): int(each.power) for each in chain.validators.table.validators}


def rows(chain: TestChain) -> dict[int, Any]:
    return {int.from_bytes(each.id[:2]): each for each in chain.validators.table.validators}


def ready(chain: TestChain, number: int) -> str | None:
    """A member shows that its node runs."""
    key = key_of(number, "consensus")
    operation = ValidatorReady(epoch=chain.ledger.epoch_after(chain.tip), key=key)
    return chain.send(operation, sender=account(number), cosigners=[key]).error
