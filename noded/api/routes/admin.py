"""For the operator on this machine: tokens, and settings that are read again."""

from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from noded.api.backend import Backend
from noded.api.bodies import content_type, read_body
from noded.api.problems import InvalidRequest, NoSuchThing
from noded.api.rendering import dump, to_json
from noded.api.routing import JSON, Answer, Body, Local, Routes, json_answer
from noded.api.tokens import ID_BYTES, NAME_CHARACTERS_MAX, Scope, Token, Tokens

BODY_BYTES_MAX: Final = 4096

VALID_S_MAX: Final = 10 * 366 * 86_400
"""Ten years: nothing that opens records is for ever."""

TAG: Final = "admin"


class TokenWanted(BaseModel):
    """A token to be made."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(min_length=1, max_length=NAME_CHARACTERS_MAX, description="Who will use it.")
    scopes: list[str] = Field(min_length=1, max_length=len(Scope), description="What it allows.")
    valid_s: int = Field(ge=1, le=VALID_S_MAX, description="Seconds until it is refused.")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenView:
    """What may be known of a token."""

    id: str
    name: str
    scopes: tuple[str, ...]
    created_ms: int
    expires_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenMade:
    """A new token; it is shown this once."""

    token: str
    view: TokenView


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded:
    """What a reload left undone."""

    needs_restart: tuple[str, ...]
    """Keys whose new values wait for a restart."""


def add_admin(routes: Routes, backend: Backend, tokens: Tokens) -> None:
    """Add the operator's routes."""

    async def listed() -> Response:
        """List all tokens, without their secrets."""
        views = tuple(_view(token) for token in tokens.all())
        return Response(dump(to_json(views, tuple[TokenView, ...])), media_type=JSON)

    async def create(request: Request) -> Response:
        """Make a token; the answer is the only place where it can be read."""
        content_type(request, JSON)
        data = await read_body(request, bytes_max=BODY_BYTES_MAX)
        try:
            wanted = TokenWanted.model_validate_json(data)
            scopes = [Scope(scope) for scope in wanted.scopes]
        except ValidationError as error:
            raise InvalidRequest("; ".join(_mistake(each) for each in error.errors())) from error
        except ValueError as error:
            known = ", ".join(scope.value for scope in Scope)
            raise InvalidRequest(f"body.scopes: {error}; known are {known}") from error
        token, text = tokens.create(wanted.name, scopes, valid_ms=wanted.valid_s * 1000)
        return json_answer(TokenMade(token=text, view=_view(token)), status=201)

    async def revoke(
        id: Annotated[str, Field(pattern=f"^[0-9a-f]{{{2 * ID_BYTES}}}$", description="The token's id.")],
    ) -> Response:
        """Refuse a token from now on."""
        if not tokens.revoke(id):
            raise NoSuchThing(f"there is no token {id}")
        return Response(status_code=204)

    async def reload() -> Response:
        """Read the settings again; bad ones change nothing."""
        return json_answer(Reloaded(needs_restart=tuple(await backend.reload())))

    schema = TokenWanted.model_json_schema()
    body = Body(media_types={JSON: schema})
    made = Answer(description="The token.", content=TokenMade, status=201)
    tokens_path = "/v1/admin/tokens"
    all_tokens = Answer(description="The tokens.", content=tuple[TokenView, ...])
    gone = Answer(description="It is refused from now on.", status=204, media_type="")
    done = Answer(description="The settings are read.", content=Reloaded)
    routes.add("GET", tokens_path, listed, access=Local, tag=TAG, answer=all_tokens)
    routes.add("POST", tokens_path, create, access=Local, tag=TAG, answer=made, body=body)
    routes.add("DELETE", tokens_path + "/{id}", revoke, access=Local, tag=TAG, answer=gone)
    routes.add("POST", "/v1/admin/reload", reload, access=Local, tag=TAG, answer=done)


def _view(token: Token) -> TokenView:
    return TokenView(
        id=token.id,
        name=token.name,
        scopes=tuple(scope.value for scope in token.scopes),
        created_ms=token.created_ms,
        expires_ms=token.expires_ms,
    )


def _mistake(error: object) -> str:
    assert isinstance(error, dict)
    return f"body.{'.'.join(map(str, error['loc']))}: {error['msg']}"
