"""From a request to the call of its route: found by the parts of its path, given what path and query say."""

import inspect
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, get_type_hints

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from noded.api.connection import Receive, Send
from noded.api.gate import ROUTE, caller
from noded.api.problems import InvalidRequest, MethodNotAllowed, NoSuchRoute
from noded.api.tokens import Scope

Endpoint = Callable[..., Awaitable[Response]]
Access = Scope | str
"""A scope, Public or Local."""

Public: Final = "public"
"""Open to everyone who can connect."""
Local: Final = "local"
"""For the socket in the node's home only."""


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    where: str
    """As in the description: path or query; "request" for the request itself."""
    default: Any
    check: Callable[[object], Any]
    """Returns the value of a text."""


class Route:
    """A path's endpoint for one method."""

    def __init__(self, path: str, endpoint: Endpoint, access: Access) -> None:
        self.path = path
        self.endpoint = endpoint
        self._is_public = access == Public
        self._scope = access if isinstance(access, Scope) else None
        self._names = [part[1:-1] for part in path.split("/") if part.startswith("{")]

    async def call(self, request: Request, texts: list[str]) -> Response:
        """
        Serve a request; the caller is checked before anything of it is read.

        Raises:
            NotAuthenticated, ScopeMissing: The caller may not do this.
            InvalidRequest: Path or query are not as described.
        """
        if not self._is_public:
            caller(request).check(self._scope)
        arguments = self._read(request, dict(zip(self._names, texts, strict=True)))
        return await self.endpoint(**arguments)

    def _read(self, request: Request, path: Mapping[str, str]) -> dict[str, Any]:
        query = request.query_params if request.scope["query_string"] else {}
        arguments: dict[str, Any] = {}
        errors: list[dict[str, str]] = []
        for parameter in self._parameters:
            if parameter.where == "request":
                arguments[parameter.name] = request
                continue
            text = (path if parameter.where == "path" else query).get(parameter.name)
            if text is None:
                arguments[parameter.name] = parameter.default
                continue
            try:
                arguments[parameter.name] = parameter.check(text)
            except ValidationError as error:
                where = f"{parameter.where}.{parameter.name}"
                errors += ({"where": where, "why": each["msg"]} for each in error.errors())
        if errors:
            detail = "; ".join(f"{each['where']}: {each['why']}" for each in errors)
            raise InvalidRequest(detail, errors=tuple(errors))
        return arguments

    @cached_property
    def _parameters(self) -> list[_Parameter]:
        """Made at the first request, so that a start does not wait for 75 routes."""
        hints = get_type_hints(self.endpoint, include_extras=True)
        return [
            self._parameter(name, hints[name], declared.default)
            for name, declared in inspect.signature(self.endpoint).parameters.items()
        ]

    def _parameter(self, name: str, hint: Any, default: Any) -> _Parameter:
        if hint is Request:
            return _Parameter(name, "request", None, repr)
        check = TypeAdapter(hint).validator.validate_python
        return _Parameter(name, "path" if name in self._names else "query", default, check)


@dataclass(slots=True)
class _Place:
    """Where the parts of a path have led so far."""

    next: dict[str, "_Place"] = field(default_factory=dict)
    any: "_Place | None" = None
    """For a part that is a parameter."""
    routes: dict[str, Route] = field(default_factory=dict)
    """Of the path that ends here, by method."""


class Dispatcher:
    """An ASGI app: calls the route that a request names."""

    def __init__(self) -> None:
        self._root = _Place()

    def add(self, method: str, route: Route) -> None:
        """Serve a route from now on."""
        place = self._root
        for part in route.path.split("/"):
            if part.startswith("{"):
                place.any = place.any or _Place()
                place = place.any
            else:
                place = place.next.setdefault(part, _Place())
        assert method not in place.routes, f"{method} {route.path} is there already"
        place.routes[method] = route

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request."""
        place, texts = self._find(scope["path"])
        route = place.routes.get(scope["method"])
        if route is None:
            refused = MethodNotAllowed("the path takes other methods")
            refused.headers = (("allow", ", ".join(sorted(place.routes))),)
            raise refused
        scope[ROUTE] = route.path
        response = await route.call(Request(scope, receive, send), texts)
        await response(scope, receive, send)

    def _find(self, path: str) -> tuple[_Place, list[str]]:
        place = self._root
        texts = []
        for part in path.split("/"):
            following = place.next.get(part)
            if following is None and part:
                following = place.any
                texts.append(part)
            if following is None:
                raise NoSuchRoute("the API has nothing at this path")
            place = following
        if not place.routes:
            raise NoSuchRoute("the API has nothing at this path")
        return place, texts
