"""What every request passes before its route, and every error after it."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from math import ceil
from typing import Any, Final

import structlog
import trio
from starlette.requests import Request

from noded.api import problems
from noded.api.callers import LOCAL, STRANGER, Caller, caller_of
from noded.api.connection import App, Receive, Send
from noded.api.problems import InternalFault, NotAuthenticated, TooManyRequests
from noded.api.rates import Rates
from noded.api.tokens import Tokens

CALLER: Final = "noded.caller"
"""Where in a request's scope its caller is."""

CatchUp = Callable[[Iterable[tuple[bytes, bytes]]], Awaitable[None]]
"""Given a request's headers, waits until the node has the height that they ask for."""
Observe = Callable[[str, int, float], None]
"""Told of each answer: the route's path or "none", the status, the seconds it took."""

log = structlog.get_logger("noded.api")


def caller(request: Request) -> Caller:
    """Who sent a request."""
    found: Caller = request.scope[CALLER]
    return found


class Gate:
    """An ASGI app: knows the caller, limits the rate, turns errors into problem details, and counts."""

    def __init__(
        self,
        app: App,
        *,
        tokens: Tokens | None,
        rates: Rates | None,
        catch_up: CatchUp | None,
        observe: Observe,
    ) -> None:
        """
        Stand before an app.

        Args:
            app: Serves requests; it checks what the caller may do.
            tokens: None for the node's own socket, whose callers need none.
            rates: Of each caller; None for no limit.
            catch_up: For callers that are known; None where nobody is waited for.
            observe: Counts.
        """
        self._app = app
        self._tokens = tokens
        self._rates = rates
        self._catch_up = catch_up
        self._observe = observe

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request."""
        began = trio.current_time()
        status = 0

        async def send_counted(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._serve(scope, receive, send_counted)
        except Exception as error:
            if status:
                raise  # The answer has begun; all that is left is to end the connection.
            told = problems.translate(error)
            if isinstance(told, InternalFault):
                log.exception("a request failed", method=scope["method"], route=self._route(scope))
            status, body, headers = problems.encode(told)
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        finally:
            self._observe(self._route(scope), status, trio.current_time() - began)

    def _route(self, scope: MutableMapping[str, Any]) -> str:
        """A path of the description, or "none": what a client wrote itself is never counted or logged."""
        return str(getattr(scope.get("route"), "path", "none"))

    async def _serve(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        found = self._identify(scope)
        scope[CALLER] = found
        if self._catch_up is not None and found is not STRANGER:
            await self._catch_up(scope["headers"])
        await self._app(scope, receive, send)

    def _identify(self, scope: MutableMapping[str, Any]) -> Caller:
        """Who sends the request, which counts for them; for their address where the token is no good."""
        if self._tokens is None:
            return LOCAL
        found = STRANGER
        authorization = next((value for name, value in scope["headers"] if name == b"authorization"), None)
        if authorization is not None:
            kind, _, presented = authorization.decode("latin-1").partition(" ")
            token = self._tokens.find(presented.strip()) if kind.lower() == "bearer" else None
            if token is not None:
                found = caller_of(token)
        self._limit(found, scope)
        if authorization is not None and found is STRANGER:
            raise NotAuthenticated("the token is unknown or has expired")
        return found

    def _limit(self, found: Caller, scope: MutableMapping[str, Any]) -> None:
        if self._rates is None:
            return
        client = scope.get("client")
        name = found.name if found is not STRANGER else f"address {client[0] if client else ''}"
        wait_s = self._rates.take(name)
        if wait_s > 0:
            rate = f"{self._rates.per_s:g} requests a second"
            raise TooManyRequests(f"{rate} are served", retry_after_s=max(1, ceil(wait_s)))
