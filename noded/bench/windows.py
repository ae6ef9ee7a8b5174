"""A load over a time, and what was used meanwhile; what has to be there before it begins."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Final

import trio

from noded.bench.driving import WAIT_S, Source, Tally
from noded.bench.figures import Usage, own_cpu_s, usage_of
from noded.bench.load import Sender, make_sender
from noded.client.async_http import AsyncNodeClient
from noded.client.transactions import key_pair
from noded.errors import NodedError
from noded.keys.keystore import open_keystore
from noded.keys.names import ACCOUNT
from noded.ops.home import KEYS_NAME
from noded.testnet.processes import NodeProcess
from noded.types.genesis import DEFAULT_PARAMETERS, Genesis
from noded.types.ids import Height
from noded.types.transaction import SignedTransaction

IDLE_S: Final = 10.0
"""Of watching nodes that have nothing to do: one empty block comes in this time."""

SIGNED_SHARE: Final = 1.5
"""Of what the probe finalised, signed for the measurement."""

SPARE: Final = 1.02

SLOTS_SPARE: Final = 32
"""Signed for each node beyond its share of an open load, which is dealt out slot by slot."""


class LoadFailed(NodedError):
    """Transactions of the load did not take effect, so the figures mean nothing."""


@dataclass(slots=True)
class Window:
    """What was used while a load ran."""

    tally: Tally
    seconds: float
    nodes_cpu_s: float
    own_cpu_s: float


async def run_window(nodes: Sequence[NodeProcess], drive: Callable[[], Any]) -> Window:
    """Run a load, and look at what nodes and load use meanwhile."""
    usages, own, start = usages_of(nodes), own_cpu_s(), trio.current_time()
    tally = await drive()
    seconds = trio.current_time() - start
    used = sum(now.cpu_s - then.cpu_s for now, then in zip(usages_of(nodes), usages, strict=True))
    return Window(tally, seconds, used, own_cpu_s() - own)


def sign_ahead(sources: Sequence[Source], each: int, progress: Callable[[str], None]) -> list[Source]:
    """So many signed transactions of each source, and more only if they should not suffice."""
    progress(f"signing {each * len(sources)} transactions")
    return [chain(list(islice(source, each)), source) for source in sources]


def check_tally(tally: Tally) -> None:
    """
    Make sure that all of a load took effect.

    Raises:
        LoadFailed: Something did not.
    """
    if tally.failed:
        reasons = ", ".join(f"{count} {reason}" for reason, count in tally.failed.most_common())
        raise LoadFailed(f"{tally.failed.total()} transactions did not take effect: {reasons}")


def usages_of(nodes: Sequence[NodeProcess]) -> list[Usage]:
    """What each node has used since it began."""
    return [usage_of(node.pid) for node in nodes]


def _sender(node: NodeProcess, genesis: Genesis) -> Sender:
    key = key_pair(open_keystore(node.home / KEYS_NAME, None).secret(ACCOUNT))
    valid_until = Height(DEFAULT_PARAMETERS.valid_until_max // 2)
    return make_sender(node.institution.id, key, genesis.chain_id, valid_until)


async def watch_idle(nodes: Sequence[NodeProcess]) -> float:
    """Percent of a core that the busiest node uses with nothing to do."""
    before = usages_of(nodes)
    await trio.sleep(IDLE_S)
    used_s = max(now.cpu_s - then.cpu_s for now, then in zip(usages_of(nodes), before, strict=True))
    return round(100 * used_s / IDLE_S, 2)


async def begin_load(
    nodes: Sequence[NodeProcess], genesis: Genesis
) -> tuple[list[AsyncNodeClient], list[Sender]]:
    """
    A client and a sender for each node, whose patients are registered.

    Raises:
        LoadFailed: A registration did not take effect.
    """
    clients = [AsyncNodeClient(node.home) for node in nodes]
    senders = [_sender(node, genesis) for node in nodes]
    for client, sender in zip(clients, senders, strict=True):
        await _begin(client, sender.register_patient())
    return clients, senders


async def _begin(client: AsyncNodeClient, first: SignedTransaction) -> None:
    (posted,) = await client.post_transactions([first.encoding], wait_s=WAIT_S)
    if posted.refused is not None or not posted.is_applied:
        why = posted.refused or posted.error or "not final"
        raise LoadFailed(f"the load cannot begin: {why}: {posted.detail}")
