"""The network inside one process keeps the promises of the real one."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from noded.errors import InvalidMessage
from noded.network import InstitutionId, Lane, PeerUnavailable, RequestRefused, RequestTimedOut
from noded.network.faults import PENALTY_BAN
from noded.network.limits import BULK_QUEUE_MESSAGES_MAX, CONSENSUS_QUEUE_MESSAGES_MAX
from noded.network.memory import MemoryHub, MemoryNetwork
from noded.network.scores import BAN_S_MIN
from tests.helpers.networking import Recorder, peer_id, peer_info

if TYPE_CHECKING:
    from trio_typing import TaskStatus  # libp2p brings outdated stubs of trio, which lack trio.TaskStatus


@dataclass
class Member:
    network: MemoryNetwork
    handler: Recorder
    scope: trio.CancelScope

    @property
    def peer(self) -> InstitutionId:
        return self.network.me


@asynccontextmanager
async def members(
    count: int,
    hub: MemoryHub | None = None,
    handler_type: Callable[[], Recorder] = Recorder,
) -> AsyncIterator[list[Member]]:
    """So many networks, all connected."""
    hub = hub or MemoryHub()
    infos = [peer_info(number) for number in range(1, count + 1)]
    started = []
    async with trio.open_nursery() as nursery:
        for info in infos:
            handler, scope = handler_type(), trio.CancelScope()
            network = MemoryNetwork(hub=hub, me=info.peer, handler=handler, members=infos)

            async def run(
                task_status: "TaskStatus[tuple[str, int]]",
                network: MemoryNetwork = network,
                scope: trio.CancelScope = scope,
            ) -> None:
                with scope:
                    await network.run(task_status=task_status)

            await nursery.start(run)
            started.append(Member(network, handler, scope))
        await wait_all_tasks_blocked()
        yield started
        nursery.cancel_scope.cancel()


async def test_messages_arrive_in_order(autojump_clock: MockClock) -> None:
    async with members(3) as (one, two, three):
        for number in range(10):
            assert one.network.broadcast(Lane.BULK, bytes([number]), [two.peer, three.peer, peer_id(9)]) == [
                peer_id(9)
            ]
        await wait_all_tasks_blocked()

        for handler in (two.handler, three.handler):
            assert handler.messages == [(one.peer, Lane.BULK, bytes([number])) for number in range(10)]
        assert two.handler.up == [one.peer, three.peer]


async def test_delays_are_kept_and_do_not_add_up(autojump_clock: MockClock) -> None:
    async with members(2, MemoryHub(lambda a, b: 0.25)) as (one, two):
        begun_s = trio.current_time()
        for number in range(5):
            one.network.send(two.peer, Lane.CONSENSUS, bytes([number]))
        await two.handler.until_messages(5)
        assert trio.current_time() - begun_s == pytest.approx(0.25)
        await one.network.request(two.peer, 0, b"", 1)
        assert trio.current_time() - begun_s == pytest.approx(0.75)


async def test_requests_are_answered_refused_or_given_up(autojump_clock: MockClock) -> None:
    class Librarian(Recorder):
        async def on_request(self, peer: InstitutionId, kind: int, payload: bytes) -> bytes:
            if kind == 1:
                raise RequestRefused("NoPermit")
            if kind == 2:
                await trio.sleep_forever()
            if kind == 3:
                raise InvalidMessage("no")
            return payload

    async with members(2, handler_type=Librarian) as (one, two):
        assert await one.network.request(two.peer, 0, b"echo", 1) == b"echo"
        with pytest.raises(RequestRefused, match="NoPermit"):
            await one.network.request(two.peer, 1, b"", 1)
        with pytest.raises(RequestTimedOut):
            await one.network.request(two.peer, 2, b"", 1)
        with pytest.raises(PeerUnavailable):
            await one.network.request(peer_id(9), 0, b"", 1)
        with pytest.raises(PeerUnavailable):
            await one.network.request(two.peer, 3, b"", 1)
        await wait_all_tasks_blocked()
        assert two.handler.down == [(one.peer, "InvalidMessage")]


async def test_a_cut_parts_and_healing_connects_again(autojump_clock: MockClock) -> None:
    hub = MemoryHub()
    async with members(3, hub) as (one, two, three):
        hub.cut(one.peer, two.peer)
        await wait_all_tasks_blocked()
        assert one.handler.down == [(two.peer, "ConnectionLost")]
        assert not one.network.send(two.peer, Lane.BULK, b"")
        assert one.network.send(three.peer, Lane.BULK, b"")
        hub.heal(one.peer, two.peer)
        await wait_all_tasks_blocked()
        assert one.network.send(two.peer, Lane.BULK, b"")
        assert one.handler.up == [two.peer, three.peer, two.peer]


async def test_queues_are_bounded_as_the_real_ones(autojump_clock: MockClock) -> None:
    """N5."""
    async with members(2, MemoryHub(lambda a, b: 1.0)) as (one, two):
        in_all = BULK_QUEUE_MESSAGES_MAX + 1  # one is on its way
        bulk = [one.network.send(two.peer, Lane.BULK, b"") for _ in range(in_all + 2)]
        assert bulk == [True] * in_all + [False] * 2
        assert one.network.peers()[0].lanes[Lane.BULK].dropped == 2
        for _ in range(CONSENSUS_QUEUE_MESSAGES_MAX + 1):
            assert one.network.send(two.peer, Lane.CONSENSUS, b"")
        assert not one.network.send(two.peer, Lane.CONSENSUS, b"")
        await wait_all_tasks_blocked()
        assert one.handler.down == [(two.peer, "ConsensusQueueFull")]


async def test_a_slow_handler_holds_the_sender_back(autojump_clock: MockClock) -> None:
    class Slow(Recorder):
        async def on_message(self, peer: InstitutionId, lane: Lane, payload: bytes) -> None:
            await trio.sleep(10)
            await super().on_message(peer, lane, payload)

    async with members(2, handler_type=Slow) as (one, two):
        for _ in range(3):
            one.network.send(two.peer, Lane.BULK, b"x")
        await trio.sleep(25)
        assert len(two.handler.messages) == 2


async def test_members_come_and_go(autojump_clock: MockClock) -> None:
    """N1."""
    async with members(2) as (one, two):
        one.network.set_members([])
        await wait_all_tasks_blocked()
        assert one.handler.down == [(two.peer, "MemberRemoved")]
        assert two.handler.down == [(one.peer, "ConnectionLost")]
        one.network.set_members([peer_info(2)])
        await wait_all_tasks_blocked()
        assert one.handler.up == [two.peer] * 2


async def test_a_ban_ends_by_itself(autojump_clock: MockClock) -> None:
    """N9."""
    async with members(2) as (one, two):
        one.network.penalize(two.peer, "Equivocation", PENALTY_BAN)
        await trio.sleep(BAN_S_MIN - 1)
        assert one.handler.down == [(two.peer, "PeerBanned")]
        assert one.network.peers()[0].banned_s == pytest.approx(1)
        await trio.sleep(2)
        assert one.handler.up == [two.peer] * 2


async def test_a_network_that_ends_is_down_for_the_others(autojump_clock: MockClock) -> None:
    async with members(3) as (one, two, three):
        two.scope.cancel()
        await wait_all_tasks_blocked()
        assert one.handler.down == [(two.peer, "ConnectionLost")]
        assert three.handler.down == [(two.peer, "ConnectionLost")]
        assert not one.network.send(two.peer, Lane.BULK, b"")


async def test_a_bug_of_the_handler_ends_its_network_only(autojump_clock: MockClock) -> None:
    """N7."""

    class Broken(Recorder):
        async def on_message(self, peer: InstitutionId, lane: Lane, payload: bytes) -> None:
            if payload == b"boom":
                raise ZeroDivisionError

    hub = MemoryHub()
    infos = [peer_info(number) for number in (1, 2)]
    one = MemoryNetwork(hub=hub, me=infos[0].peer, handler=Recorder(), members=infos)
    two = MemoryNetwork(hub=hub, me=infos[1].peer, handler=Broken(), members=infos)
    async with trio.open_nursery() as nursery:
        await nursery.start(one.run)

        async def run_two(task_status: "TaskStatus[tuple[str, int]]") -> None:
            with pytest.raises(ZeroDivisionError):
                await two.run(task_status=task_status)

        await nursery.start(run_two)
        await wait_all_tasks_blocked()
        one.send(infos[1].peer, Lane.BULK, b"boom")
        await wait_all_tasks_blocked()
        assert [peer.connected for peer in one.peers()] == [False]
        nursery.cancel_scope.cancel()


async def test_statistics_are_kept(autojump_clock: MockClock) -> None:
    async with members(2, MemoryHub(lambda a, b: 0.01)) as (one, two):
        one.network.send(two.peer, Lane.BULK, b"12345")
        await two.handler.until_messages(1)
        [out] = one.network.peers()
        [into] = two.network.peers()

        assert out.rtt_ms == pytest.approx(20)
        assert (out.dialled, into.dialled) == (True, False)
        assert out.lanes[Lane.BULK].bytes_out == into.lanes[Lane.BULK].bytes_in == 5
        assert out.lanes[Lane.BULK].queue_messages == out.lanes[Lane.BULK].queue_bytes == 0
