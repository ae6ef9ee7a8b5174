"""
A real daemon around a bent core: `BEHAVIOUR=equivocate python -m tests.helpers.byzantine_node start --home HOME`.

The shell, the network and the keys are those of `noded start`; between the shell and its node stands one of the
simulator's behaviours, which signs whatever it likes. `noded` itself knows nothing of this.
"""

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

from noded.config import load
from noded.crypto.signing import secret_of, sign
from noded.daemon.boot import Opened, clock_ms, open_home
from noded.daemon.logs import Logs
from noded.daemon.main import run_home
from noded.keys.names import CONSENSUS
from noded.node.effects import Effect
from noded.node.inputs import Input
from noded.node.node import Node
from noded.ops.home import open_keys
from noded.storage.lock import HomeLock
from noded.types.ids import PeerId, Signature, TimestampMs
from sim.byzantine import BEHAVIOURS
from sim.byzantine.base import Behaviour, Conspiracy
from sim.scenario.model import Byzantine
from sim.streams import Stream

BEHAVIOUR = "BEHAVIOUR"
"""Variable of the environment that names the behaviour."""


class _Engine:
    """Time as the simulator has it."""

    @property
    def now(self) -> int:
        return clock_ms() * 1_000_000


class _World:
    """Who the members are, as the simulator numbers them: founders by id."""

    def __init__(self, opened: Opened) -> None:
        self.engine = _Engine()
        self.names = [PeerId(institution.id) for institution in opened.genesis.institutions]
        self.index_of = {name: index for index, name in enumerate(self.names)}


class _Host:
    """As much of a simulated machine as behaviours look at."""

    def __init__(self, opened: Opened) -> None:
        self.world = _World(opened)
        self.name = PeerId(opened.me)
        self.index = self.world.index_of[self.name]


class _Signer:
    """The consensus key without a watermark."""

    def __init__(self, seed: bytes) -> None:
        self._secret = secret_of(seed)

    def sign(self, message: bytes) -> Signature:
        return Signature(sign(self._secret, message))


class BentNode:
    """What the shell takes for its node: the real one, but what it says goes through a behaviour."""

    def __init__(self, node: Node, behaviour: Behaviour) -> None:
        self._node = node
        self._behaviour = behaviour

    def __getattr__(self, name: str) -> Any:
        return getattr(self._node, name)

    def step(self, event: Input, now_ms: TimestampMs) -> list[Effect]:
        return self._behaviour.step(event, now_ms)


def bend(opened: Opened, name: str) -> None:
    """Put a behaviour between a home's node and whoever steps it."""
    host = _Host(opened)
    behaviour = BEHAVIOURS[name](
        cast(Any, host),
        opened.node,
        spec=Byzantine(behaviour=cast(Any, name), nodes=[host.index]),
        victims=[],
        conspiracy=Conspiracy(frozenset({host.index})),
        signer=cast(Any, _Signer(opened.keystore.secret(CONSENSUS))),
        stream=Stream(0, "byzantine", host.index),
    )
    opened.node = cast(Node, BentNode(opened.node, behaviour))


def main(home: Path) -> None:
    config = load(home, os.environ)
    logs = Logs(config.log)
    with HomeLock(config.home), ExitStack() as stack:
        opened = open_home(config, open_keys(config), stack)
        bend(opened, os.environ[BEHAVIOUR])
        run_home(config, opened, logs)


if __name__ == "__main__":
    main(Path(sys.argv[sys.argv.index("--home") + 1]))
