"""What the operator is told, over a node whose parts are set by hand."""

from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from noded.consensus.signer import Silence
from noded.daemon.standing import NAMED_MAX, STILL_MS, STILL_STALL, readiness, status, tolerated
from noded.ledger.table import JAIL_EPOCHS
from noded.network.interface import Network
from noded.node.node import Node
from noded.types.ids import Height, InstitutionId
from noded.types.operations.membership import Remove
from tests.helpers.ledger import TestChain, make_genesis, member_id
from tests.helpers.voting import decide
from tests.ledger.modules.test_governance import register
from tests.ledger.test_participation import make_equivocation

ME = member_id(1)


@dataclass
class Scene:
    """A node at height 1 of a chain, its peers, and a clock."""

    members: int = 4
    powers: tuple[int, ...] | None = None
    connected: tuple[int, ...] = (2, 3, 4)
    missing: tuple[int, ...] = ()
    stall: int = 0
    age_ms: int = 500
    quiet_ms: int | None = None
    """None for as long as the last block is old."""
    has_stored: bool = True
    halted: str | None = None
    syncing: bool = False
    final_height: int = 1
    silence: Silence | None = None
    chain: TestChain = field(init=False)

    def __post_init__(self) -> None:
        self.chain = TestChain(make_genesis(self.members, powers=self.powers))
        self.chain.run()

    def status(self, me: InstitutionId = ME) -> Any:
        tip = self.chain.committed[-1].block
        node = SimpleNamespace(
            validators=self.chain.validators,
            ledger=self.chain.ledger,
            chain=SimpleNamespace(tip=tip, height=tip.header.height),
            core=SimpleNamespace(
                height=self.final_height,
                epoch=1,
                view=7,
                stall=self.stall,
                silence=self.silence,
                missing=lambda: [member_id(number) for number in self.missing],
            ),
            batches=SimpleNamespace(waiting_bytes=5),
            is_syncing=self.syncing,
            halted=self.halted,
        )
        peers = [
            SimpleNamespace(peer=member_id(number), connected=number in self.connected)
            for number in range(2, self.members + 1)
        ]
        network = SimpleNamespace(peers=lambda: peers)
        return status(
            cast(Node, node),
            cast(Network, network),
            me=me,
            stored=Height(1),
            started_ms=tip.header.time_ms,
            quiet_ms=self.age_ms if self.quiet_ms is None else self.quiet_ms,
            has_stored=self.has_stored,
            now_ms=tip.header.time_ms + self.age_ms,
        )


class TestWhyItStands:
    def test_a_chain_that_moves_gives_no_reason(self) -> None:
        found = Scene().status()

        assert found.standing is None
        assert (found.power_connected, found.quorum, found.tolerated) == (4000, 2667, 1)

    def test_too_few_connected_are_named(self) -> None:
        found = Scene(connected=(2,)).status()

        assert "2 of 4 validators are connected, with power 2000 of 4000; 2667 is needed" in found.standing
        assert member_id(3).hex() in found.standing
        assert member_id(4).hex() in found.standing
        assert member_id(2).hex() not in found.standing

    def test_many_missing_are_counted(self) -> None:
        found = Scene(members=NAMED_MAX + 4, connected=()).status()

        assert found.standing.endswith(f"missing: {NAMED_MAX + 3} validators")

    def test_views_given_up_name_the_silent(self) -> None:
        found = Scene(stall=STILL_STALL, missing=(3,)).status()

        assert f"{STILL_STALL} views in a row were given up" in found.standing
        assert found.standing.endswith(f"no vote in view 7 of: {member_id(3).hex()}")

    def test_silence_longer_than_idleness_is_told(self) -> None:
        idle_ms = make_genesis().parameters.idle_interval_ms

        assert Scene(age_ms=idle_ms + STILL_MS).status().standing is None
        assert "no block for" in Scene(age_ms=idle_ms + STILL_MS + 1).status().standing

    def test_nothing_is_expected_of_the_time_before_the_start(self) -> None:
        """All nodes were off for an hour: none waits for the next block to be ready."""
        idle_ms = make_genesis().parameters.idle_interval_ms

        found = Scene(age_ms=3_600_000, quiet_ms=idle_ms + STILL_MS, has_stored=False).status()
        assert (found.standing, found.clock) == (None, None)
        found = Scene(age_ms=3_600_000, quiet_ms=idle_ms + STILL_MS + 1, has_stored=False).status()
        assert "no block for 3600 s" in found.standing
        assert Scene(age_ms=3_600_000, quiet_ms=1, stall=STILL_STALL).status().standing is not None

    def test_a_halted_node_says_so(self) -> None:
        assert Scene(halted="another state").status().standing == "this node halted: another state"

    def test_fetching_blocks_is_no_standing_still(self) -> None:
        assert Scene(age_ms=10**9, syncing=True).status().standing is None


class TestClock:
    """R13 makes a clock that is wrong cost votes; no other rule would tell."""

    def test_one_that_is_behind_is_told_while_the_chain_goes_on_without_it(self) -> None:
        drift_ms = make_genesis().parameters.drift_ms

        assert Scene(age_ms=-drift_ms, quiet_ms=0).status().clock is None
        found = Scene(age_ms=-3_600_000, quiet_ms=0).status()
        assert found.standing is None
        assert "3600 s behind" in found.clock

    def test_one_that_is_ahead_makes_no_chain_stand(self) -> None:
        idle_ms = make_genesis().parameters.idle_interval_ms

        assert Scene(age_ms=idle_ms + STILL_MS, quiet_ms=0).status().clock is None
        found = Scene(age_ms=3_601_000, quiet_ms=1000).status()
        assert found.standing is None
        assert "3600 s after its time" in found.clock

    def test_blocks_that_are_fetched_come_late_by_every_clock(self) -> None:
        assert Scene(age_ms=3_600_000, quiet_ms=0, syncing=True).status().clock is None


class TestWhyItIsSilent:
    """R21: the fact and the way out."""

    def why(self, chain: TestChain, number: int) -> Any:
        scene = Scene(silence=Silence.NOT_IN_TABLE)
        scene.chain = chain
        return scene.status(me=member_id(number)).silence

    def test_who_votes_is_not(self) -> None:
        assert Scene().status().silence is None

    def test_a_halted_node_says_why(self) -> None:
        assert Scene(halted="another state", silence=Silence.STOPPED).status().silence == (
            "this node halted: another state"
        )

    def test_a_key_that_is_not_here_is_named(self) -> None:
        found = Scene(silence=Silence.NO_KEY).status().silence

        assert make_genesis().institutions[0].consensus_key.hex() in found
        assert "noded keys import" in found

    def test_a_lost_log(self) -> None:
        assert "epoch 1 began before" in Scene(silence=Silence.LOG_LOST).status().silence

    def test_a_node_that_looks_around_first(self) -> None:
        assert "how far the chain is" in Scene(silence=Silence.WAITING).status().silence

    def test_who_is_no_member(self) -> None:
        chain = TestChain()
        chain.run()

        assert "noded join" in self.why(chain, 9)

    def test_an_applicant(self) -> None:
        chain = TestChain()
        register(chain)

        assert "it applied" in self.why(chain, 9)

    def test_who_was_removed(self) -> None:
        chain = TestChain(make_genesis(5, epoch_length=8))
        decide(chain, Remove(institution=member_id(5)))
        chain.finish_epoch()

        assert "removed by vote" in self.why(chain, 5)

    def test_who_is_jailed(self) -> None:
        chain = TestChain(make_genesis(5, epoch_length=8))
        chain.run(evidence=[make_equivocation(2)])
        chain.finish_epoch()

        assert f"from epoch {2 + JAIL_EPOCHS} on" in self.why(chain, 2)

    def test_who_was_admitted_and_has_not_entered(self) -> None:
        chain = TestChain(make_genesis(5, validators=4))
        chain.run()

        assert "noded ready" in self.why(chain, 5)


class TestReadiness:
    def failed(self, looked_to: int | None = 1, **changes: Any) -> list[str]:
        found = readiness(Scene(**changes).status(), None if looked_to is None else Height(looked_to))
        return [check.name for check in found if not check.ok]

    def test_a_node_in_good_order_is_ready(self) -> None:
        assert self.failed() == []

    @pytest.mark.parametrize(
        ("changes", "names"),
        [
            ({"halted": "x"}, ["not-halted", "chain-moves"]),
            ({"syncing": True}, ["in-sync"]),
            ({"looked_to": None}, ["in-sync"]),
            ({"looked_to": 2}, ["in-sync"]),
            ({"final_height": 1000}, ["in-sync"]),
            ({"connected": ()}, ["quorum-connected", "chain-moves"]),
            ({"stall": STILL_STALL}, ["chain-moves"]),
        ],
    )
    def test_what_is_wrong_is_named(self, changes: dict[str, Any], names: list[str]) -> None:
        assert self.failed(**changes) == names

    def test_every_check_says_what_was_found(self) -> None:
        assert all(check.detail for check in readiness(Scene().status(), Height(1)))


@pytest.mark.parametrize(
    ("powers", "expected"),
    [((1000,), 0), ((1000,) * 3, 0), ((1000,) * 4, 1), ((1000,) * 7, 2), ((3000, 1000, 1000, 1000), 0)],
)
def test_the_most_powerful_are_counted_first(powers: tuple[int, ...], expected: int) -> None:
    validators = TestChain(make_genesis(len(powers), powers=powers)).validators
    table = replace(
        validators.table,
        validators=tuple(
            replace(row, power=type(row.power)(power))
            for row, power in zip(validators.table.validators, powers, strict=True)
        ),
    )

    assert tolerated(type(validators)(table)) == expected
