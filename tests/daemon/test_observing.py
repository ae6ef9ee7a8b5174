"""Counting starts at zero for everything that an alert watches."""

import ast
from pathlib import Path

from noded.daemon.observing import EVENTS
from noded.types.operations import operations_by_name

LEDGER = Path(__file__).parents[2] / "noded" / "ledger"


def test_every_event_of_the_ledger_is_counted_from_zero() -> None:
    """A literal that the ledger gives to Event, or to a name for it, is in the list."""
    named = {
        node.args[0].value
        for path in LEDGER.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Event"
        and isinstance(node.args[0], ast.Constant)
    }

    assert len(named) > 20
    assert named - set(EVENTS) == set()


def test_the_list_is_in_order_and_names_each_event_once() -> None:
    assert list(EVENTS) == sorted(set(EVENTS))
    assert not set(EVENTS) & (set(operations_by_name()) - {"delegate.set"})
