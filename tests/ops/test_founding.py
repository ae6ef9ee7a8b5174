"""The founding document is put together, kept and read back as one and the same."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from noded.ledger.genesis import InvalidGenesis
from noded.ops.founding import (
    BadGenesis,
    doubts,
    genesis_json,
    make_genesis,
    read_genesis,
    with_parameters,
    write_genesis,
)
from noded.ops.home import Particulars, create_home
from noded.types.genesis import DEFAULT_PARAMETERS, Institution, Routing
from noded.types.ids import TimestampMs, VotingPower
from noded.types.roles import Role

TIME = TimestampMs(1_700_000_000_000)


@pytest.fixture
def founders(tmp_path: Path) -> list[Institution]:
    return [
        create_home(
            tmp_path / f"node{number}",
            Particulars(legal_name=f"Hospital {number}", role=Role.HOSPITAL, jurisdiction="DE"),
            passphrase=None,
            settings={},
        )
        for number in range(4)
    ]


class TestMakeGenesis:
    def test_the_order_of_founders_does_not_matter(self, founders: list[Institution]) -> None:
        one = make_genesis("test", founders, time_ms=TIME)

        assert make_genesis("test", founders[::-1], time_ms=TIME) == one
        assert [each.power for each in one.validators] == [1000] * 4

    def test_everything_is_in_the_id(self, founders: list[Institution]) -> None:
        ids = {
            make_genesis("test", founders, time_ms=TIME).chain_id,
            make_genesis("tests", founders, time_ms=TIME).chain_id,
            make_genesis("test", founders[1:], time_ms=TIME).chain_id,
            make_genesis("test", founders, time_ms=TimestampMs(TIME + 1)).chain_id,
        }

        assert len(ids) == 4

    def test_one_founder_given_twice_is_refused(self, founders: list[Institution]) -> None:
        with pytest.raises(InvalidGenesis):
            make_genesis("test", [*founders, founders[0]], time_ms=TIME)


class TestFile:
    def test_comes_back(self, founders: list[Institution], tmp_path: Path) -> None:
        genesis = make_genesis("test", founders, time_ms=TIME)
        write_genesis(tmp_path / "genesis.cbor", genesis)

        assert read_genesis(tmp_path / "genesis.cbor") == genesis

    def test_comes_back_from_json(self, founders: list[Institution], tmp_path: Path) -> None:
        genesis = make_genesis("test", founders, time_ms=TIME)
        (tmp_path / "genesis.json").write_text(json.dumps(genesis_json(genesis), indent=2))

        assert read_genesis(tmp_path / "genesis.json") == genesis

    def test_a_missing_file_says_what_to_do(self, tmp_path: Path) -> None:
        with pytest.raises(BadGenesis, match="copy the consortium's genesis file there"):
            read_genesis(tmp_path / "genesis.cbor")

    def test_a_flipped_byte_is_refused_or_another_chain(
        self, founders: list[Institution], tmp_path: Path
    ) -> None:
        genesis = make_genesis("test", founders, time_ms=TIME)
        path = tmp_path / "genesis.cbor"
        write_genesis(path, genesis)
        data = path.read_bytes()
        for position in range(0, len(data), 7):
            path.write_bytes(data[:position] + bytes((data[position] ^ 1,)) + data[position + 1 :])
            try:
                other = read_genesis(path)
            except (BadGenesis, InvalidGenesis):
                continue

            assert other.chain_id != genesis.chain_id


class TestParameters:
    def test_are_set_by_name(self) -> None:
        changed = with_parameters(
            DEFAULT_PARAMETERS, {"delta_ms": "20", "routing": "linear", "reputation": "false"}
        )

        assert (changed.delta_ms, changed.routing, changed.reputation) == (20, Routing.LINEAR, False)

    @pytest.mark.parametrize(
        ("name", "text", "message"),
        [
            ("delta", "20", "there is no delta"),
            ("delta_ms", "fast", "delta_ms is a whole number"),
            ("delta_ms", "-1", "parameters.delta_ms|NetworkParameters.delta_ms"),
            ("routing", "2", "routing"),
            ("reputation", "1", "reputation"),
        ],
    )
    def test_mistakes_are_named(self, name: str, text: str, message: str) -> None:
        with pytest.raises(BadGenesis, match=message):
            with_parameters(DEFAULT_PARAMETERS, {name: text})


class TestDoubts:
    """What contradicts nothing, and founders had better know."""

    def test_equals_of_their_own_leave_none(self, founders: list[Institution]) -> None:
        assert doubts(make_genesis("test", founders, time_ms=TIME)) == []

    def test_an_owner_with_a_third_of_the_power(self, founders: list[Institution]) -> None:
        owned = [replace(founder, owner="Group") for founder in founders[:2]] + founders[2:]

        (doubt,) = doubts(make_genesis("test", owned, time_ms=TIME))

        assert "owner Group hold 2000 of the power of 4000" in doubt

    def test_a_founder_below_a_members_power(self, founders: list[Institution]) -> None:
        genesis = make_genesis("test", founders, time_ms=TIME)
        weak = replace(genesis.validators[0], power=VotingPower(999))

        (doubt,) = doubts(replace(genesis, validators=(weak, *genesis.validators[1:])))

        assert "begins with power 999" in doubt
