"""How routes are declared: path, scope, what they answer; Starlette finds them, pydantic checks their arguments."""

import inspect
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, create_model
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Router, compile_path

from noded.api.connection import Message, Receive, Send
from noded.api.gate import caller
from noded.api.problems import InvalidRequest, MethodNotAllowed, NoSuchRoute
from noded.api.rendering import Schema, dump, to_json
from noded.api.tokens import Scope
from noded.storage.store import HEIGHT_MAX

JSON: Final = "application/json"
CBOR: Final = "application/cbor"
BYTES: Final = "application/octet-stream"
EVENTS: Final = "text/event-stream"
TEXT: Final = "text/plain"

PAGE_MAX: Final = 200
"""Items of one page; 200 of about 1 KiB are read and written in some 20 ms."""

CURSOR_NUMBER_BYTES: Final = 7
"""Of the number in a cursor of a counted list: heights, epochs and positions stay far below."""

CURSOR_CHARACTERS_MAX: Final = 256
"""A listing's key of up to 70 bytes in hexadecimal, with room."""

Id = Annotated[str, Field(pattern="^[0-9a-f]{32}$", description="16 bytes in hexadecimal.")]
Hash = Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="32 bytes in hexadecimal.")]


def _in_digits(value: object) -> object:
    """Digits as they are; pydantic also takes 1_0 for 10, and 1.0 for 1."""
    if isinstance(value, str) and not re.fullmatch("-?[0-9]+", value):
        raise ValueError("it is no whole number in digits")
    return value


Number = Annotated[int, BeforeValidator(_in_digits)]
HeightPath = Annotated[Number, Field(ge=0, le=HEIGHT_MAX, description="A block's number; genesis is 0.")]
VersionPath = Annotated[Number, Field(ge=1, lt=1 << 32, description="Counts from 1.")]
Limit = Annotated[Number, Field(ge=1, le=PAGE_MAX, description="Items of the page at most.")]
Cursor = Annotated[
    str,
    Field(
        pattern="^([0-9a-f]{2})*$",
        max_length=CURSOR_CHARACTERS_MAX,
        description="`next` of the page before; empty for the first page.",
    ),
]


Endpoint = Callable[..., Awaitable[Response]]
Access = Scope | str
"""A scope, Public or Local."""

Public: Final = "public"
"""Open to everyone who can connect."""
Local: Final = "local"
"""For the socket in the node's home only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a route answers when all is well."""

    description: str
    content: Any = None
    """Annotation of what the JSON is of; None for other media types."""
    media_type: str = JSON
    """Empty for an answer without a body."""
    status: int = 200
    also: Sequence["Answer"] = ()
    """Other answers of the same route, by status or media type."""
    schema: Schema | None = None
    """Of JSON that is no value of a class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a route takes."""

    media_types: dict[str, Schema]


class Route(BaseRoute):
    """
    A path's endpoint for one method.

    Its parameters are the endpoint's: of the path where that has their name, of the query where not. What finds and checks
    them is made for its first request: for all 75 routes it would take a tenth of a node's start (D15).
    """

    def __init__(
        self,
        method: str,
        path: str,
        endpoint: Endpoint,
        *,
        access: Access,
        answer: Answer,
        tag: str,
        body: Body | None,
        parameters: Sequence[dict[str, Any]],
    ) -> None:
        """As for `Routes.add`."""
        self.method = method
        self.path = path
        self.endpoint = endpoint
        self.access = access
        self.answer = answer
        self.tag = tag
        self.body = body
        self.parameters = parameters
        self._beginning = path.partition("{")[0]

    def matches(self, scope: Message) -> tuple[Match, Message]:
        """Whether a request is for this route; a look at its beginning spares most of the 75 expressions."""
        path = scope["path"]
        if not path.startswith(self._beginning) or (found := self._pattern.match(path)) is None:
            return Match.NONE, {}
        is_mine = scope["method"] in self._methods
        return Match.FULL if is_mine else Match.PARTIAL, {"path_params": found.groupdict()}

    async def handle(self, scope: Message, receive: Receive, send: Send) -> None:
        """
        Serve a request; the caller is checked before anything of it is read.

        Raises:
            MethodNotAllowed: The path takes other methods.
            NotAuthenticated, ScopeMissing: The caller may not do this.
            InvalidRequest: Path or query are not as described.
        """
        if scope["method"] not in self._methods:
            raise self._other_method(scope)
        request = Request(scope, receive, send)
        if self.access != Public:
            caller(request).check(self.access if isinstance(self.access, Scope) else None)
        response = await self.endpoint(**self._arguments(request))
        if scope["method"] == "HEAD":
            head = {"status": response.status_code, "headers": response.raw_headers}
            await send({"type": "http.response.start", **head})
            await send({"type": "http.response.body", "body": b""})
        else:
            await response(scope, receive, send)

    def _arguments(self, request: Request) -> dict[str, Any]:
        if request.query_params and self.access != Public:
            self._check_query(request)
        try:
            arguments = dict(self._checked.model_validate({**request.query_params, **request.path_params}))
        except ValidationError as error:
            told = tuple(map(self._tell, error.errors(include_url=False)))
            raise InvalidRequest(
                "; ".join(f"{each['where']}: {each['why']}" for each in told), errors=told
            ) from error
        if self._takes_request:
            arguments["request"] = request
        return arguments

    def _check_query(self, request: Request) -> None:
        """W8: one that is not described, or given twice, is a mistake, and without effect nobody would see it."""
        unknown = sorted(set(request.query_params) - self._query)
        if unknown:
            known = ", ".join(sorted(self._query)) or "none"
            raise InvalidRequest(
                f"query.{unknown[0][:40]}: there is no such parameter here; known are {known}"
            )
        given = [name for name, _ in request.query_params.multi_items()]
        for name in sorted(self._query):
            if given.count(name) > 1:
                raise InvalidRequest(f"query.{name}: it is given {given.count(name)} times")

    @property
    def _methods(self) -> tuple[str, ...]:
        """What is asked with HEAD is as with GET, but for the body (RFC 9110 §9.3.2)."""
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return compile_path(self.path)[0]

    @cached_property
    def _query(self) -> frozenset[str]:
        """Names of the parameters in the query."""
        read = {each["name"] for each in self.parameters if each["in"] == "query"}
        return frozenset(read | set(self._checked.model_fields) - set(self._pattern.groupindex))

    @cached_property
    def _takes_request(self) -> bool:
        return "request" in inspect.signature(self.endpoint).parameters

    @cached_property
    def _checked(self) -> type[BaseModel]:
        """The parameters as the fields of a model."""
        fields: dict[str, Any] = {
            name: (each.annotation, ... if each.default is each.empty else each.default)
            for name, each in inspect.signature(self.endpoint).parameters.items()
            if name != "request"
        }
        return create_model("Arguments", **fields)

    def _tell(self, error: Any) -> dict[str, str]:
        """A mistake in the client's words."""
        name = error["loc"][0]
        return {
            "where": f"{'path' if name in self._pattern.groupindex else 'query'}.{name}",
            "why": error["msg"],
        }

    def _other_method(self, scope: Message) -> MethodNotAllowed:
        methods = {
            each for other in scope["router"].routes if other.path == self.path for each in other._methods
        }
        refused = MethodNotAllowed("the path takes other methods")
        refused.headers = (("allow", ", ".join(sorted(methods))),)
        return refused


class Routes(Router):
    """The routes of one app, and the app that serves them."""

    routes: list[Route]  # type: ignore[assignment]  # no others are added

    def __init__(self) -> None:
        super().__init__(default=_refuse, redirect_slashes=False)

    def add(
        self,
        method: str,
        path: str,
        endpoint: Endpoint,
        *,
        access: Access,
        answer: Answer,
        tag: str,
        body: Body | None = None,
        parameters: Sequence[dict[str, Any]] = (),
    ) -> None:
        """
        Serve a path.

        Args:
            method: GET, POST or another.
            path: With parameters in braces.
            endpoint: Its docstring is the description; its arguments are the parameters, and the request.
            access: Who may.
            answer: What it answers when all is well.
            tag: Of which group of routes it is.
            body: What it takes.
            parameters: Those that it reads from the request itself.
        """
        self.routes.append(
            Route(
                method,
                path,
                endpoint,
                access=access,
                answer=answer,
                tag=tag,
                body=body,
                parameters=parameters,
            )
        )


async def _refuse(scope: Message, receive: Receive, send: Send) -> None:
    raise NoSuchRoute("the API has nothing at this path")


def json_answer(value: Any, annotation: Any = None, *, status: int = 200) -> Response:
    """A value of the ledger as JSON."""
    return Response(dump(to_json(value, annotation)), status_code=status, media_type=JSON)


def page_answer(description: str, item: Any) -> Answer:
    """What a route answers that gives pages of such items."""
    return Answer(description=description, content=item, schema={"page": True})


def entry_answer(description: str, value: Any) -> Answer:
    """What a route answers that gives one thing from the state."""
    return Answer(description=description, content=value, schema={"entry": True})


def cursor_number(after: str) -> int | None:
    """
    The number that a cursor of a counted list stands for; None for the first page.

    Raises:
        InvalidRequest: It is no such cursor.
    """
    if len(after) > 2 * CURSOR_NUMBER_BYTES:
        raise InvalidRequest(f"query.after: {after[:40]!r} is no cursor of this list")
    return int(after, 16) if after else None


def number_cursor(number: int) -> str:
    """The cursor that stands for a number."""
    return number.to_bytes(CURSOR_NUMBER_BYTES).hex()
