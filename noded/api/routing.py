"""How routes are declared: path, scope, what they answer; and the description of the API made of that."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from pydantic import Field
from starlette.responses import Response

from noded import __version__
from noded.api.dispatch import Access, Dispatcher, Endpoint, Local, Public, Route
from noded.api.problems import MEDIA_TYPE, InvalidRequest
from noded.api.rendering import Definitions, Schema, dump, schema_of, to_json
from noded.client.answers import AT_LEAST_HEADER
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
HeightPath = Annotated[int, Field(ge=0, le=HEIGHT_MAX, description="A block's number; genesis is 0.")]
VersionPath = Annotated[int, Field(ge=1, lt=1 << 32, description="Counts from 1.")]
Limit = Annotated[int, Field(ge=1, le=PAGE_MAX, description="Items of the page at most.")]
Cursor = Annotated[
    str,
    Field(
        pattern="^([0-9a-f]{2})*$",
        max_length=CURSOR_CHARACTERS_MAX,
        description="`next` of the page before; empty for the first page.",
    ),
]


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


@dataclass(slots=True)
class _Declared:
    method: str
    route: Route
    answer: Answer
    access: Access
    tag: str
    body: Body | None
    parameters: Sequence[dict[str, Any]]


@dataclass(slots=True)
class Routes:
    """The routes of one app."""

    app: Dispatcher = field(default_factory=Dispatcher)
    _declared: list[_Declared] = field(default_factory=list)
    _description: bytes | None = None

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
        route = Route(path, endpoint, access)
        self.app.add(method, route)
        self._declared.append(_Declared(method, route, answer, access, tag, body, parameters))

    def describe(self) -> bytes:
        """The OpenAPI document; made when first asked for, which takes a second."""
        if self._description is None:
            self._description = dump(self._make_description())
        return self._description

    def _make_description(self) -> dict[str, Any]:
        # A node that nobody asks for this pays neither for these imports nor for what FastAPI makes of a route.
        from fastapi import APIRouter
        from fastapi.openapi.utils import get_openapi

        router = APIRouter()
        for declared in self._declared:
            path, endpoint = declared.route.path, declared.route.endpoint
            name = f"{declared.tag}_{path.removeprefix('/v1/').translate(_PLAIN)}_{declared.method.lower()}"
            router.add_api_route(
                path,
                endpoint,
                methods=[declared.method],
                tags=[declared.tag],
                name=name,
                operation_id=name,
                summary=(endpoint.__doc__ or "").strip().split("\n", 1)[0],
                response_model=None,
            )
        document = get_openapi(
            title="noded",
            version=__version__,
            summary="A permissioned ledger of medical data: one institution's node.",
            description=_DESCRIPTION,
            routes=router.routes,
        )
        definitions = Definitions()
        for declared in self._declared:
            operation = document["paths"][declared.route.path][declared.method.lower()]
            operation["responses"] = _responses(declared.answer, definitions)
            operation["security"] = _security(declared.access)
            more = [] if declared.access == Public else [_AT_LEAST]
            if declared.parameters or more:
                operation["parameters"] = [*operation.get("parameters", []), *declared.parameters, *more]
            if declared.body is not None:
                content = {media: {"schema": schema} for media, schema in declared.body.media_types.items()}
                operation["requestBody"] = {"required": True, "content": content}
        document["components"] = {
            "schemas": {**definitions.schemas, "Problem": _PROBLEM},
            "responses": {
                "Problem": {
                    "description": "Why not (RFC 9457).",
                    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
                }
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        }
        return document


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


_PLAIN: Final = str.maketrans({"/": "_", "{": None, "}": None, "-": "_"})

_PROBLEM: Final[Schema] = {
    "type": "object",
    "description": "Why a request was not served (RFC 9457); `type` ends with the reason.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"where": {"type": "string"}, "why": {"type": "string"}},
                "required": ["where", "why"],
            },
        },
    },
    "required": ["type", "title", "status", "detail"],
}

_DESCRIPTION: Final = (
    "Ids, keys and hashes are in hexadecimal, longer bytes in base64. Lists come in pages: pass `next` as `after`. "
    "`height` says after which block an answer holds. Errors are problem details (RFC 9457)."
)

_AT_LEAST: Final = {
    "name": AT_LEAST_HEADER,
    "in": "header",
    "description": "A height that another node named: this one answers once it has that block too.",
    "schema": {"type": "integer", "minimum": 0},
}

_HEX: Final[Schema] = {"type": "string", "pattern": "^([0-9a-f]{2})+$"}
_HEIGHT: Final[Schema] = {"type": "integer", "minimum": 0}


def _responses(answer: Answer, definitions: Definitions) -> dict[str, Any]:
    responses: dict[str, Any] = {"default": {"$ref": "#/components/responses/Problem"}}
    for each in (answer, *answer.also):
        response = responses.setdefault(str(each.status), {"description": each.description})
        if not each.media_type:
            continue
        response.setdefault("content", {})[each.media_type] = {"schema": _schema(each, definitions)}
    return responses


def _schema(answer: Answer, definitions: Definitions) -> Schema:
    if answer.content is None:
        return answer.schema or ({} if answer.media_type == JSON else {"type": "string", "format": "binary"})
    content = schema_of(answer.content, definitions)
    if answer.schema is None:
        return content
    if "page" in answer.schema:
        item = _object({"id": _HEX, "value": content})
        after = {"anyOf": [_HEX, {"type": "null"}]}
        return _object({"height": _HEIGHT, "items": {"type": "array", "items": item}, "next": after})
    return _object({"height": _HEIGHT, "id": _HEX, "value": content})


def _object(properties: dict[str, Any]) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _security(access: Access) -> list[dict[str, list[str]]]:
    if access == Public:
        return []
    return [{"token": [] if access == Local else [str(access)]}]
