"""What the network calls: messages go to the core, requests to those who serve records."""

from typing import Protocol

import structlog

from noded.daemon.shell import Shell
from noded.network.interface import Lane
from noded.types.ids import InstitutionId

log = structlog.get_logger("noded.peers")


class Requests(Protocol):
    """Answers other members' requests."""

    async def on_request(self, peer: InstitutionId, kind: int, payload: bytes) -> bytes:
        """See `network.interface.Handler`."""


class PeerHandler:
    """Implements `network.interface.Handler`."""

    shell: Shell
    requests: Requests

    async def on_peer_up(self, peer: bytes) -> None:
        """See `network.interface.Handler`."""
        log.info("peer up", peer=peer.hex())
        await self.shell.peer_up(InstitutionId(peer))

    async def on_peer_down(self, peer: bytes, reason: str) -> None:
        """See `network.interface.Handler`."""
        log.info("peer down", peer=peer.hex(), reason=reason)
        await self.shell.peer_down(InstitutionId(peer))

    async def on_message(self, peer: bytes, lane: Lane, payload: bytes) -> None:
        """See `network.interface.Handler`."""
        await self.shell.received(InstitutionId(peer), payload)

    async def on_request(self, peer: bytes, kind: int, payload: bytes) -> bytes:
        """See `network.interface.Handler`."""
        return await self.requests.on_request(InstitutionId(peer), kind, payload)
