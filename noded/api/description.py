"""The OpenAPI document: what FastAPI says of the routes, and of what they answer the ledger's own annotations."""

from typing import Any, Final

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from noded import __version__
from noded.api.problems import MEDIA_TYPE
from noded.api.rendering import Definitions, Schema, schema_of
from noded.api.routing import JSON, Access, Answer, Local, Public, Route, Routes
from noded.client.answers import AT_LEAST_HEADER


def describe(routes: Routes) -> dict[str, Any]:
    """The document of an app; to make it takes a second."""
    document = get_openapi(
        title="noded",
        version=__version__,
        summary="A permissioned ledger of medical data: one institution's node.",
        description=_DESCRIPTION,
        routes=[_described(route) for route in routes.routes],
    )
    definitions = Definitions()
    for route in routes.routes:
        operation = document["paths"][route.path][route.method.lower()]
        operation["responses"] = _responses(route.answer, definitions)
        operation["security"] = _security(route.access)
        more = [] if route.access == Public else [_AT_LEAST]
        if route.parameters or more:
            operation["parameters"] = [*operation.get("parameters", []), *route.parameters, *more]
        if route.body is not None:
            content = {media: {"schema": schema} for media, schema in route.body.media_types.items()}
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
    "`height` says after which block an answer holds. Errors are problem details (RFC 9457). HEAD is as GET, but for the"
    " body."
)

_AT_LEAST: Final = {
    "name": AT_LEAST_HEADER,
    "in": "header",
    "description": "A height that another node named: this one answers once it has that block too.",
    "schema": {"type": "integer", "minimum": 0},
}

_HEX: Final[Schema] = {"type": "string", "pattern": "^([0-9a-f]{2})+$"}
_HEIGHT: Final[Schema] = {"type": "integer", "minimum": 0}


_PLAIN: Final = str.maketrans({"/": "_", "{": None, "}": None, "-": "_"})


def _described(route: Route) -> APIRoute:
    """The same route as FastAPI knows it."""
    name = f"{route.tag}_{route.path.removeprefix('/v1/').translate(_PLAIN)}_{route.method.lower()}"
    return APIRoute(
        route.path,
        route.endpoint,
        methods=[route.method],
        tags=[route.tag],
        name=name,
        operation_id=name,
        summary=(route.endpoint.__doc__ or "").strip().split("\n", 1)[0],
        response_model=None,
    )


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
