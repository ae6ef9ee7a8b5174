"""Who is connected to whom over libp2p: members, lost connections, listening."""

from dataclasses import replace

import pytest
import trio

from noded.errors import ConfigError
from noded.network import swarm
from noded.network.limits import HANDSHAKE_TIMEOUT_S
from tests.helpers.networking import (
    PATIENCE_S,
    consortium,
    network_key,
    peer_info,
    start_node,
    until,
)


class TestMembers:
    """N1: members change while the network runs."""

    async def test_a_removed_member_is_dropped_and_stays_out(self) -> None:
        async with consortium(3) as (one, two, three):
            one.network.set_members([one.info, three.info])
            await one.handler.until_down()
            await until(lambda: one.network.refusals().get("NotAMember", 0) > 0)

            assert one.handler.down == [(two.info.peer, "MemberRemoved")]
            assert [peer.peer for peer in one.network.peers()] == [three.info.peer]
            assert one.peer(three).connected

    async def test_an_admitted_member_connects(self) -> None:
        async with consortium(2) as (one, two), trio.open_nursery() as nursery:
            three = await start_node(nursery, 3, members=(one.info, two.info))
            for node in (one, two):
                node.network.set_members([one.info, two.info, three.info])
            await three.handler.until_up(2)
            nursery.cancel_scope.cancel()

    async def test_a_rotated_key_replaces_the_old_one(self) -> None:
        async with consortium(2) as (one, two), trio.open_nursery() as nursery:
            rotated = peer_info(2, *two.info.addresses)
            one.network.set_members([one.info, replace(rotated, network_key=network_key(77))])
            await one.handler.until_down()
            await until(lambda: one.peer(two).last_fault == "HandshakeFailed")
            one.network.set_members([one.info, rotated])
            await one.handler.until_up(2)

            assert one.handler.down == [(two.info.peer, "MemberRemoved")]
            nursery.cancel_scope.cancel()

    async def test_a_changed_address_is_dialled_at_once(self) -> None:
        async with trio.open_nursery() as nursery:
            two = await start_node(nursery, 2, members=(peer_info(1),))
            one = await start_node(nursery, 1, members=(peer_info(2, "127.0.0.1:1"),))
            await until(lambda: one.peer(two).last_fault == "DialFailed")
            one.network.set_members([two.info])
            await one.handler.until_up()
            nursery.cancel_scope.cancel()


class TestConnecting:
    """N3: one connection for two peers; N10: coming back."""

    async def test_each_pair_has_one_connection_dialled_by_the_lower(self) -> None:
        async with consortium(4) as nodes:
            for node in nodes:
                assert [peer.dialled for peer in node.network.peers()] == [
                    node.info.peer < peer.peer for peer in node.network.peers()
                ]
                assert len(node.handler.up) == 3
                assert node.handler.down == []

    async def test_the_higher_dials_when_the_lower_cannot(self) -> None:
        async with trio.open_nursery() as nursery:
            one = await start_node(nursery, 1, members=(peer_info(2),))
            two = await start_node(nursery, 2)
            two.network.set_members([one.info])
            await two.handler.until_up()

            assert two.peer(one).dialled
            nursery.cancel_scope.cancel()

    async def test_a_peer_that_returns_is_found_again(self) -> None:
        async with consortium(2) as (one, two), trio.open_nursery() as nursery:
            two.scope.cancel()
            await one.handler.until_down()
            await until(lambda: one.peer(two).last_fault == "DialFailed")
            port = int(two.info.addresses[0].rpartition(":")[2])
            await start_node(nursery, 2, members=(one.info,), port=port)
            await one.handler.until_up(2)

            assert one.handler.down == [(two.info.peer, "ConnectionLost")]
            nursery.cancel_scope.cancel()

    async def test_members_that_say_nothing_keep_nobody_from_being_dialled(self) -> None:
        """N10: each takes its ten seconds, and a turn of one."""
        [silent] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        async with silent, trio.open_nursery() as nursery:
            address = f"127.0.0.1:{silent.socket.getsockname()[1]}"
            mute = tuple(peer_info(number, address) for number in range(2, 8))
            one = await start_node(nursery, 1, members=mute)
            await trio.sleep(0.5)
            two = await start_node(nursery, 9, members=(peer_info(1),))

            one.network.set_members([*mute, two.info])
            with trio.fail_after(HANDSHAKE_TIMEOUT_S / 2):
                await two.handler.until_up()

            nursery.cancel_scope.cancel()

    async def test_one_that_starts_dials_at_once_whatever_its_id(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(swarm, "SECOND_DIAL_S", 10 * PATIENCE_S)
        async with trio.open_nursery() as nursery:
            one = await start_node(nursery, 1, members=(peer_info(2),))
            two = await start_node(nursery, 2, members=(one.info,))
            await two.handler.until_up()

            assert two.peer(one).dialled
            nursery.cancel_scope.cancel()

    async def test_eight_nodes_in_one_process_find_together(self) -> None:
        await self._start_at_once(8)

    @pytest.mark.slow
    async def test_twenty_nodes_in_one_process_find_together(self) -> None:
        await self._start_at_once(20)

    @staticmethod
    async def _start_at_once(count: int) -> None:
        """No reconnect storm: a connection between each two, and hardly one more."""
        async with trio.open_nursery() as nursery:
            nodes = [await start_node(nursery, number) for number in range(1, count + 1)]
            for node in nodes:
                node.network.set_members([other.info for other in nodes])
            await until(lambda: all(len(node.handler.up) >= count - 1 for node in nodes))
            await trio.sleep(1)

            assert all(peer.connected for node in nodes for peer in node.network.peers())
            assert sum(len(node.handler.down) for node in nodes) <= count
            nursery.cancel_scope.cancel()

    async def test_names_are_resolved(self) -> None:
        async with trio.open_nursery() as nursery:
            two = await start_node(nursery, 2, members=(peer_info(1),))
            port = two.info.addresses[0].rpartition(":")[2]
            one = await start_node(nursery, 1, members=(peer_info(2, f"localhost:{port}"),))
            await one.handler.until_up()

            assert one.peer(two).address == f"localhost:{port}"
            nursery.cancel_scope.cancel()

    async def test_another_chain_is_refused_and_named_on_both_sides(self) -> None:
        """N2."""
        async with trio.open_nursery() as nursery:
            one = await start_node(nursery, 1)
            two = await start_node(nursery, 2, chain=b"b" * 32)
            for node in (one, two):
                node.network.set_members([one.info, two.info])
            await until(lambda: one.peer(two).last_fault == two.peer(one).last_fault == "WrongChain")

            assert (b"b" * 32).hex() in one.peer(two).last_fault_detail
            assert one.handler.up == two.handler.up == []
            assert one.peer(two).score == two.peer(one).score == 0
            nursery.cancel_scope.cancel()


class TestListening:
    async def test_a_taken_address_is_the_operators_to_solve(self) -> None:
        async with consortium(1) as (one,), trio.open_nursery() as nursery:
            port = int(one.info.addresses[0].rpartition(":")[2])
            with pytest.raises(BaseExceptionGroup) as caught:
                async with trio.open_nursery() as inner:
                    await start_node(inner, 2, port=port)
            nursery.cancel_scope.cancel()

        assert caught.group_contains(
            ConfigError, match=rf"cannot listen on 127.0.0.1:{port}: .*; choose another"
        )
