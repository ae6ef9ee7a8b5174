"""Hostile peers against real daemons, over real sockets: refused and scored, memory bounded, the chain goes on."""

import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from noded.client.http import NodeClient
from noded.client.transactions import TransactionBuilder, key_pair
from noded.network import Lane
from noded.network.addresses import parse_address
from noded.network.frames import Kind, encode_frame
from noded.network.limits import HANDSHAKES_PENDING_MAX, MEMORY_BYTES_MAX
from noded.testnet.creating import create_testnet
from noded.testnet.processes import NodeProcess, Testnet
from noded.types.batch import Batch, batch_signing_bytes, seal_batch
from noded.types.genesis import Genesis
from noded.types.ids import (
    BlockHash,
    ChainId,
    Epoch,
    Height,
    Signature,
    TimestampMs,
    TransactionHash,
    ValidatorId,
    View,
    make_bitmap,
)
from noded.types.messages import BatchPushed, GetBlocks, Message, Votes
from noded.types.vote import Certificate, Vote, VoteKind
from tests.helpers.fleet import (
    ask,
    check_agreement,
    check_signatures,
    figure,
    labels,
    open_files,
    rss_bytes,
    sender_of,
    status,
    until,
)
from tests.helpers.hostile_member import REFUSED, HostileMember, Visit
from tests.helpers.steady_load import SteadyLoad, check_all_there

pytestmark = pytest.mark.integration

SLACK_TASKS = 200
"""Tasks that come and go: timers of the last views, calls of clients."""

SLACK_FILES = 32
"""Descriptors that come and go in a busy node: clients, connections that are just being dialled."""


@dataclass
class Siege:
    """Three nodes that run, under load, and a fourth member that is up to no good."""

    testnet: Testnet
    genesis: Genesis
    nodes: list[NodeProcess]
    member: HostileMember
    load: SteadyLoad

    def attack(self, node: NodeProcess, act: Callable[[Visit], Awaitable[None]], **how: Any) -> None:
        """Visit a node and do something there."""

        async def visit() -> None:
            async with self.member.visit(node.institution, **how) as visit:
                await act(visit)

        trio.run(visit)

    def standing(self, node: NodeProcess) -> dict[str, Any]:
        """What a node thinks of the hostile member."""
        name = self.member.institution.id.hex()
        rows: list[dict[str, Any]] = ask(node, "/v1/peers")
        [row] = [row for row in rows if row["institution"] == name]
        return row

    def refused(self, node: NodeProcess, reason: str) -> float:
        """How often a node refused or ended a connection for this reason."""
        return labels(node, "noded_connections_refused_total").get(f'{{reason="{reason}"}}', 0.0)

    def faults(self, node: NodeProcess) -> dict[str, float]:
        """Faults of peers that a node's core found, by reason."""
        return labels(node, "noded_peer_faults_total")

    def batch(self, *transactions: bytes, is_signed: bool = True) -> Message:
        """A batch of the hostile member."""
        found = status(self.nodes[0])
        unsigned = Batch(
            author=ValidatorId(self.member.institution.id),
            epoch=Epoch(found["epoch"]),
            number=found["block_time_ms"] + int.from_bytes(os.urandom(2)),
            time_ms=TimestampMs(found["block_time_ms"]),
            transactions=transactions,
            signature=Signature(os.urandom(64)),
        )
        if not is_signed:
            return BatchPushed(batch=seal_batch(unsigned).encoding)
        signature = self.member.signer.sign_batch(batch_signing_bytes(self.genesis.chain_id, unsigned))
        fields = {name: getattr(unsigned, name) for name in ("author", "epoch", "number", "time_ms")}
        return BatchPushed(
            batch=seal_batch(Batch(**fields, transactions=transactions, signature=signature)).encoding
        )

    def foreign(self) -> bytes:
        """A good transaction, of another chain."""
        sender = sender_of(self.nodes[0], self.genesis)
        key = key_pair(os.urandom(32))
        builder = TransactionBuilder(
            chain_id=ChainId(os.urandom(32)),
            key=key,
            next_sequence=lambda: 0,
            valid_until=lambda: Height(1000),
        )
        _, operation = sender.wallet.register(sender.institution)
        return builder.build(operation, cosigners=[key]).encoding


@pytest.fixture
def siege(tmp_path: Path) -> Iterator[Siege]:
    """After the test the chain has gone on, all that was final is there, and the nodes stop cleanly."""
    genesis = create_testnet(tmp_path / "net", 4, encrypted=False)
    with Testnet(tmp_path / "net") as testnet:
        nodes = list(testnet.nodes[:3])
        for node in nodes:
            node.start()
        for node in nodes:
            node.wait_ready()
        member = HostileMember(testnet.nodes[3].home, genesis.chain_id)
        with SteadyLoad(nodes, genesis) as load:
            load.until_more(20)
            until(lambda: min(figure(node, "noded_tasks") for node in nodes) > 0, "tasks are counted")
            tasks = [figure(node, "noded_tasks") for node in nodes]
            yield Siege(testnet, genesis, nodes, member, load)
            load.until_more(20)

            def is_over() -> bool:
                running = [figure(node, "noded_tasks") for node in nodes]
                return all(now <= before + SLACK_TASKS for now, before in zip(running, tasks, strict=True))

            until(is_over, "what the hostile member began has ended")
            load.stop()
            check_all_there(nodes, load.final)
        for node in nodes:
            assert status(node)["halted"] is None
            assert "Traceback" not in node.log
        assert testnet.stop() == [0] * 3
    homes = [node.home for node in nodes]
    check_agreement(homes)
    check_signatures(homes)


@pytest.mark.slow
def test_strangers_and_non_members_get_nothing_and_cost_little(siege: Siege) -> None:
    node = siege.nodes[0]
    files, memory = open_files(node), rss_bytes(node)
    address = parse_address(node.institution.endpoints[0])
    most = 0

    async def crowd() -> None:
        nonlocal most
        sockets = []
        for number in range(HANDSHAKES_PENDING_MAX + 64):
            with suppress(OSError):
                stream = await trio.open_tcp_stream(*address)
                sockets.append(stream)
                if number % 3 == 0:
                    with suppress(trio.BrokenResourceError):
                        await stream.send_all(os.urandom(100))
        most = open_files(node)
        await trio.to_thread.run_sync(siege.load.until_more, 10)
        for stream in sockets:
            await stream.aclose()

    trio.run(crowd)
    assert most <= files + HANDSHAKES_PENDING_MAX + SLACK_FILES
    until(lambda: open_files(node) <= files + SLACK_FILES, "descriptors are closed again")

    other = siege.nodes[1]
    before = siege.refused(other, "NotAMember"), siege.refused(other, "WrongChain")

    async def intrude(**how: Any) -> None:
        with suppress(Exception):  # libp2p tells in many ways that the node hung up.
            async with siege.member.visit(other.institution, **how) as visit:
                await visit.until_closed()

    trio.run(partial(intrude, seed=os.urandom(32)))
    until(lambda: siege.refused(other, "NotAMember") > before[0], "the stranger's key is refused")
    trio.run(partial(intrude, chain_id=os.urandom(32)))
    until(lambda: siege.refused(other, "WrongChain") > before[1], "the other chain's member is refused")
    assert rss_bytes(siege.nodes[0]) < memory + MEMORY_BYTES_MAX


@pytest.mark.parametrize(
    ("reason", "lane", "data"),
    [
        ("Malformed", Lane.CONSENSUS, encode_frame(Kind.MESSAGE, bytes(200))),
        ("OversizeFrame", Lane.BULK, (1 << 30).to_bytes(4, "big") + bytes([Kind.MESSAGE])),
    ],
    ids=["garbage", "oversize"],
)
def test_what_is_no_message_is_scored_until_the_member_is_banned(
    siege: Siege, reason: str, lane: Lane, data: bytes
) -> None:
    node = siege.nodes[0]
    memory = rss_bytes(node)

    async def act(visit: Visit) -> None:
        with suppress(*REFUSED):
            await visit.write(lane, data)
        await visit.until_closed()

    siege.attack(node, act)
    until(lambda: siege.refused(node, reason) >= 1, f"{reason} is noted")
    assert siege.standing(node)["score"] > 0  # Its last fault is soon that it cannot be dialled.
    siege.attack(node, act)
    until(lambda: siege.standing(node)["banned_s"] > 0, f"{reason} bans")
    with suppress(Exception):  # libp2p tells in many ways that the node hung up.
        siege.attack(node, act)
    until(lambda: siege.refused(node, "PeerBanned") >= 1, "the banned member is turned away")
    assert rss_bytes(node) < memory + MEMORY_BYTES_MAX
    assert siege.standing(siege.nodes[2])["banned_s"] == 0


def test_messages_that_are_well_formed_and_wrong_are_scored(siege: Siege) -> None:
    one, two, three = siege.nodes
    found = status(one)
    epoch, view = Epoch(found["epoch"]), View(found["view"] + 50)
    ids = [ValidatorId(bytes.fromhex(row["id"])) for row in found["validators"]]
    me = ValidatorId(siege.member.institution.id)

    def vote(voter: ValidatorId, block_hash: BlockHash | None) -> Votes:
        signature = Signature(os.urandom(64))
        made = Vote(
            kind=VoteKind.NOTARIZE,
            epoch=epoch,
            view=view,
            block_hash=block_hash,
            voter=voter,
            signature=signature,
        )
        return Votes(votes=(made,), certificates=())

    def certificate(*signers: int) -> Votes:
        made = Certificate(
            kind=VoteKind.FINALIZE,
            epoch=epoch,
            view=view,
            block_hash=BlockHash(os.urandom(32)),
            bitmap=make_bitmap(list(signers), len(ids)),
            signatures=tuple(Signature(os.urandom(64)) for _ in signers),
        )
        return Votes(votes=(), certificates=(made,))

    other = next(name for name in ids if name != me)
    wrong: list[tuple[NodeProcess, Message, str]] = [
        (one, vote(other, BlockHash(os.urandom(32))), "NotTheSigner"),
        (one, vote(me, None), "MalformedVote"),
        (one, siege.batch(siege.foreign(), is_signed=False), "InvalidBatch"),
        (two, certificate(0), "BadCertificate"),
        (three, siege.batch(os.urandom(100)), "InvalidBatch"),
        (three, certificate(0, 1, 2), "BadCertificate"),
    ]
    for target, message, reason in wrong:
        siege.attack(target, partial(_send_until_noted, siege, target, message, reason))
    assert siege.standing(one)["score"] > 0
    assert siege.standing(two)["banned_s"] > 0
    assert siege.standing(three)["banned_s"] > 0


async def _send_until_noted(
    siege: Siege, target: NodeProcess, message: Message, reason: str, visit: Visit
) -> None:
    label = f'{{reason="{reason}"}}'
    before = siege.faults(target).get(label, 0.0)
    await visit.send(message)
    await trio.to_thread.run_sync(
        until, lambda: siege.faults(target).get(label, 0.0) > before, f"{reason} is noted"
    )


@pytest.mark.slow
def test_replays_and_other_chains_transactions_change_nothing(siege: Siege) -> None:
    [final] = siege.load.signed(1)
    node = siege.nodes[0]
    with NodeClient.in_home(node.home) as client:
        [posted] = client.post_transactions([final.encoding], wait_s=60)
        [again] = client.post_transactions([final.encoding], wait_s=60)
        [foreign] = client.post_transactions([siege.foreign()], wait_s=0)
    assert posted.is_applied
    assert again.height in (None, posted.height)
    assert foreign.refused == "WrongChain"
    rejected = [labels(each, "noded_transactions_total")['{result="rejected"}'] for each in siege.nodes]

    message = siege.batch(final.encoding, siege.foreign())

    async def push_everywhere() -> None:
        async with trio.open_nursery() as nursery:
            for target in siege.nodes:
                nursery.start_soon(push, target)

    async def push(target: NodeProcess) -> None:
        async with siege.member.visit(target.institution) as visit:
            await visit.send(message)
            await trio.to_thread.run_sync(
                until,
                lambda: labels(target, "noded_transactions_total")['{result="rejected"}'] >= rejected[0] + 2,
                "both are rejected in a block",
            )

    trio.run(push_everywhere)
    name: TransactionHash = final.hash
    for each in siege.nodes:
        assert ask(each, f"/v1/txs/{name.hex()}")["height"] == posted.height


@pytest.mark.slow
def test_a_member_that_falls_silent_is_let_go_and_not_blamed(siege: Siege) -> None:
    node = siege.nodes[0]

    async def say_nothing(visit: Visit) -> None:
        await trio.to_thread.run_sync(
            until, lambda: siege.standing(node)["connected"], "the silent member is connected"
        )
        await visit.until_closed()

    siege.attack(node, say_nothing)
    until(lambda: not siege.standing(node)["connected"], "the silent member is let go")
    assert (siege.standing(node)["score"], siege.standing(node)["banned_s"]) == (0, 0)


@pytest.mark.slow
def test_a_flood_is_slowed_down_and_banned_and_a_peer_that_does_not_read_costs_little(siege: Siege) -> None:
    flooded, greedy = siege.nodes[0], siege.nodes[1]
    memory = {node: rss_bytes(node) for node in (flooded, greedy)}
    files = open_files(flooded)

    async def flood(visit: Visit) -> None:
        data = encode_frame(Kind.PING, bytes(8)) * 2000
        with suppress(*REFUSED):
            while True:
                await visit.write(Lane.CONSENSUS, data)

    siege.attack(flooded, flood)
    until(lambda: siege.standing(flooded)["banned_s"] > 0, "the flood bans")
    assert siege.refused(flooded, "FrameFlood") >= 1
    assert rss_bytes(flooded) < memory[flooded] + MEMORY_BYTES_MAX
    until(lambda: open_files(flooded) <= files + SLACK_FILES, "descriptors are closed again")

    async def ask_for_much(visit: Visit) -> None:
        request = GetBlocks(first=Height(1), last=Height(64))
        with suppress(*REFUSED):
            for _ in range(500):
                await visit.send(request)
        await trio.to_thread.run_sync(siege.load.until_more, 20)

    siege.attack(greedy, ask_for_much, reads=False)
    assert rss_bytes(greedy) < memory[greedy] + MEMORY_BYTES_MAX
    assert figure(greedy, "noded_halted") == 0
