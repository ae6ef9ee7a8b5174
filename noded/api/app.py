"""The apps: one for clients over TCP, one for the node's own socket, one for figures and probes."""

from functools import cache, partial

import trio
from starlette.responses import Response

from noded.api.backend import Backend
from noded.api.catching_up import catch_up
from noded.api.connection import App
from noded.api.gate import Gate
from noded.api.rates import Rates
from noded.api.rendering import dump
from noded.api.routes.admin import add_admin
from noded.api.routes.chain import add_chain
from noded.api.routes.custody import add_custody
from noded.api.routes.events import add_events
from noded.api.routes.ledger import add_ledger
from noded.api.routes.node import add_health, add_node
from noded.api.routes.reputation import add_reputation
from noded.api.routes.transactions import add_transactions
from noded.api.routing import JSON, Answer, Public, Routes
from noded.api.tokens import Scope, Tokens


def make_app(backend: Backend, *, tokens: Tokens, rates: Rates | None, is_local: bool) -> App:
    """
    The whole API.

    Args:
        backend: The node.
        tokens: For clients over TCP to be known by, and for local ones to manage.
        rates: Of each client over TCP.
        is_local: Whether it is for the node's own socket.
    """
    routes = Routes()  # Looked through in this order: what is read most comes first.
    add_ledger(routes, backend)
    add_transactions(routes, backend)
    add_node(routes, backend)
    add_chain(routes, backend)
    add_reputation(routes, backend)
    add_custody(routes, backend)
    add_events(routes, backend)
    if is_local:
        add_admin(routes, backend, tokens)
    add_health(routes, backend, metrics=Scope.METRICS)
    _add_description(routes)
    return Gate(
        routes,
        tokens=None if is_local else tokens,
        rates=None if is_local else rates,
        catch_up=partial(catch_up, backend),
        observe=backend.observe_request,
    )


def make_metrics_app(backend: Backend, *, rates: Rates) -> App:
    """Figures and probes, for everyone who can connect."""
    routes = Routes()
    add_health(routes, backend, metrics=Public)
    return Gate(
        routes,
        tokens=None,
        rates=rates,
        catch_up=None,
        observe=backend.observe_request,
    )


def _add_description(routes: Routes) -> None:
    @cache
    def made() -> bytes:
        from noded.api.description import describe  # It imports FastAPI, which no start waits for (D15).

        return dump(describe(routes))

    async def description() -> Response:
        """Give this description of the API."""
        return Response(await trio.to_thread.run_sync(made), media_type=JSON)

    routes.add(
        "GET",
        "/openapi.json",
        description,
        access=Public,
        tag="health",
        answer=Answer(description="The OpenAPI document.", schema={"type": "object"}),
    )
