"""L5: the role table has a row for each operation, and no other."""

from noded.ledger.roles import ROLE_TABLE
from noded.ledger.transition import DEADLINES, HANDLERS
from noded.types.operations import operations_by_name


class TestTable:
    """L5: one table, checked for every operation."""

    def test_every_operation_has_a_row_and_a_handler(self) -> None:
        assert sorted(ROLE_TABLE) == sorted(operations_by_name())
        assert sorted(cls.name for cls in HANDLERS) == sorted(ROLE_TABLE)

    def test_somebody_may_send_each_operation(self) -> None:
        assert [name for name, row in ROLE_TABLE.items() if not (row.roles or row.keys)] == []

    def test_purposes_are_named_exactly_for_operations_that_have_one(self) -> None:
        with_purposes = [name for name, row in ROLE_TABLE.items() if row.purposes is not None]
        classes = operations_by_name()

        assert [name for name, cls in classes.items() if "purpose" in cls.__dataclass_fields__] == [
            name for name in classes if name in with_purposes
        ]

    def test_deadlines_are_named_after_operations(self) -> None:
        tags = [int(kind) for kind in DEADLINES]

        assert len(frozenset(tags)) == len(tags)
