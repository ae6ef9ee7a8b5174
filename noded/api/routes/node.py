"""How the node stands: for its operator, for probes, for Prometheus."""

from dataclasses import dataclass
from typing import Annotated, Final

import trio
from pydantic import Field
from starlette.responses import Response

from noded import __version__
from noded.api.backend import Backend, Check, Status
from noded.api.problems import NotReady
from noded.api.rendering import dump, to_json
from noded.api.routing import JSON, TEXT, Access, Answer, Public, Routes, json_answer
from noded.api.tokens import Scope
from noded.network.interface import PeerStatistics
from noded.types.ids import ChainId, InstitutionId

TAG: Final = "node"

METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Which node of which chain this is, and how it stands."""

    version: str
    chain_id: ChainId
    chain_name: str
    institution: InstitutionId
    legal_name: str
    """As in the founding document; empty for a later member."""
    status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """Traffic on one lane since the node started."""

    bytes_in: int
    bytes_out: int
    messages_in: int
    messages_out: int
    dropped: int
    queue_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Another member, as the network sees it."""

    institution: InstitutionId
    connected: bool
    address: str | None
    dialled: bool
    connected_s: float
    rtt_ms: float | None
    score: float
    banned_s: float
    last_fault: str | None
    last_fault_detail: str
    consensus: Lane
    bulk: Lane


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether the node is ready, and why."""

    ready: bool
    checks: tuple[Check, ...]


def add_node(routes: Routes, backend: Backend) -> None:
    """Add the routes about the node."""
    genesis = backend.genesis
    names = {institution.id: institution.legal_name for institution in genesis.institutions}
    chain_id = genesis.chain_id

    async def status() -> Response:
        """Say how the node and the chain stand, who is missing, and why the chain stands still if it does."""
        named = Named(
            version=__version__,
            chain_id=chain_id,
            chain_name=genesis.name,
            institution=backend.me,
            legal_name=names.get(backend.me, ""),
            status=backend.status(),
        )
        return json_answer(named)

    async def peers() -> Response:
        """List the other members with their connections."""
        listed = tuple(_peer(each) for each in backend.peers())
        return Response(dump(to_json(listed, tuple[Peer, ...])), media_type=JSON)

    routes.add(
        "GET",
        "/v1/status",
        status,
        access=Scope.READ,
        tag=TAG,
        answer=Answer(description="How the node stands.", content=Named),
    )
    routes.add(
        "GET",
        "/v1/peers",
        peers,
        access=Scope.READ,
        tag=TAG,
        answer=Answer(description="The members, by id.", content=tuple[Peer, ...]),
    )


def add_health(routes: Routes, backend: Backend, *, metrics: Access) -> None:
    """Add what probes and Prometheus ask for; `metrics` is what /metrics takes."""

    async def livez() -> Response:
        """Answer, which shows that the event loop runs."""
        return Response("ok\n", media_type=TEXT)

    async def readyz(
        verbose: Annotated[
            str | None, Field(max_length=8, description="Given at all: name the checks.")
        ] = None,
    ) -> Response:
        """Say whether the node can serve its clients: 200 or 503."""
        checks = tuple(backend.readiness())
        failed = [check for check in checks if not check.ok]
        if verbose is not None:
            readiness = Readiness(ready=not failed, checks=checks)
            return json_answer(readiness, status=503 if failed else 200)
        if failed:
            raise NotReady("; ".join(f"{check.name}: {check.detail}" for check in failed))
        return Response("ok\n", media_type=TEXT)

    async def figures() -> Response:
        """Give all figures in the text format of Prometheus."""
        return Response(await trio.to_thread.run_sync(backend.render_metrics), media_type=METRICS_TYPE)

    description = "All is well."
    routes.add(
        "GET",
        "/livez",
        livez,
        access=Public,
        tag="health",
        answer=Answer(description=description, media_type=TEXT, schema={"type": "string"}),
    )
    routes.add(
        "GET",
        "/readyz",
        readyz,
        access=Public,
        tag="health",
        answer=Answer(
            description=description,
            media_type=TEXT,
            schema={"type": "string"},
            also=[
                Answer(description="The checks.", content=Readiness),
                Answer(description="Not ready, and why.", content=Readiness, status=503),
            ],
        ),
    )
    routes.add(
        "GET",
        "/metrics",
        figures,
        access=metrics,
        tag="health",
        answer=Answer(description="The figures.", media_type=TEXT, schema={"type": "string"}),
    )


def _peer(each: PeerStatistics) -> Peer:
    lanes = [
        Lane(
            bytes_in=lane.bytes_in,
            bytes_out=lane.bytes_out,
            messages_in=lane.messages_in,
            messages_out=lane.messages_out,
            dropped=lane.dropped,
            queue_bytes=lane.queue_bytes,
        )
        for lane in each.lanes
    ]
    return Peer(
        institution=InstitutionId(each.peer),
        connected=each.connected,
        address=each.address,
        dialled=each.dialled,
        connected_s=each.connected_s,
        rtt_ms=each.rtt_ms,
        score=each.score,
        banned_s=each.banned_s,
        last_fault=each.last_fault,
        last_fault_detail=each.last_fault_detail,
        consensus=lanes[0],
        bulk=lanes[1],
    )
