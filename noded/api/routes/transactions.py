"""Handing in transactions, and asking what became of them."""

import binascii
import json
from base64 import b64decode
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any, Final

import trio
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from noded.api.backend import Backend, Busy, Outcome
from noded.api.bodies import content_type, read_body
from noded.api.chain_data import find_transaction, outcome_of
from noded.api.problems import BadBody, InvalidRequest, NoSuchThing
from noded.api.rendering import dump
from noded.api.routing import CBOR, JSON, Answer, Body, Hash, Routes, json_answer
from noded.api.tokens import Scope
from noded.codec import cbor
from noded.codec.errors import Malformed
from noded.node.effects import Submission
from noded.types.batch import TRANSACTION_BYTES_MAX
from noded.types.ids import TransactionHash
from noded.types.transaction import SignedTransaction

POSTED_MAX: Final = 512
"""Transactions of one call; a gateway that sends 2,000 a second posts four times a second or more often."""

POSTED_BYTES_MAX: Final = 1024 * 1024
"""Of one call, in CBOR: two full batches."""

JSON_BYTES_MAX: Final = POSTED_BYTES_MAX * 3 // 2
"""The same in base64, which takes a third more, and the quotes around it."""

WAIT_S_MAX: Final = 60.0
"""Longest wait for transactions to become final; ask again after it."""

TAG: Final = "transactions"

Wait = Annotated[
    float, Field(ge=0, le=WAIT_S_MAX, description="Seconds to wait until all that is asked about is final.")
]

_DIGITS: Final = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_NUMBER: Final = {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}]}
_TEXT: Final = {"anyOf": [{"type": "string"}, {"type": "null"}]}
_OUTCOME: Final = {
    "hash": _DIGITS,
    "height": {**_NUMBER, "description": "Of the block in which it became final; null while it is not."},
    "position": {**_NUMBER, "description": "Among the block's transactions."},
    "applied": {"anyOf": [{"type": "boolean"}, {"type": "null"}], "description": "Whether it took effect."},
    "error": {**_TEXT, "description": "Name of the rule's error that it was rejected with."},
    "detail": {"type": "string"},
    "operation": {**_NUMBER, "description": "Position of the operation that failed."},
}
_POSTED: Final = {
    "type": "object",
    "properties": {
        "transactions": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    **_OUTCOME,
                    "refused": {**_TEXT, "description": "Why it was not taken; null where it was."},
                },
                "required": [*_OUTCOME, "refused"],
            },
        }
    },
    "required": ["transactions"],
}
_BODY: Final = Body(
    media_types={
        CBOR: {"type": "string", "format": "binary"},
        JSON: {
            "type": "object",
            "properties": {
                "transactions": {
                    "type": "array",
                    "items": {"type": "string", "contentEncoding": "base64"},
                    "minItems": 1,
                    "maxItems": POSTED_MAX,
                }
            },
            "required": ["transactions"],
            "additionalProperties": False,
        },
    }
)


def add_transactions(routes: Routes, backend: Backend) -> None:
    """Add the routes about transactions."""

    async def post(request: Request, wait: Wait = 0) -> Response:
        """
        Hand in transactions.

        In CBOR: an array of byte strings, each a transaction's encoding; the answer is an array of [hash, refused,
        detail, height, position, error], null where there is none. In JSON: the same in base64. Each transaction is
        taken or refused for itself.
        """
        kind = content_type(request, CBOR, JSON)
        if kind == CBOR:
            encodings = _from_cbor(await read_body(request, bytes_max=POSTED_BYTES_MAX))
        else:
            encodings = _from_json(await read_body(request, bytes_max=JSON_BYTES_MAX))
        submissions = await backend.submit(encodings)
        outcomes: dict[TransactionHash, Outcome] = {}
        if wait > 0:
            taken = [each.hash for each in submissions if each.refused in _ON_ITS_WAY]
            with (
                trio.move_on_after(wait),
                suppress(Busy),
            ):  # They are taken: who cannot wait hears no more than that.
                await backend.wait_transactions(taken, outcomes)
        if kind == CBOR:
            return Response(_to_cbor(submissions, outcomes), media_type=CBOR)
        return Response(dump({"transactions": _to_json(submissions, outcomes)}), media_type=JSON)

    async def one(hash: Hash, wait: Wait = 0) -> Response:
        """Say what became of a transaction."""
        name = TransactionHash(bytes.fromhex(hash))
        outcome = backend.look(lambda at: outcome_of(at, name))
        if outcome is None and wait > 0:
            outcomes: dict[TransactionHash, Outcome] = {}
            with trio.move_on_after(wait):
                await backend.wait_transactions([name], outcomes)
            outcome = outcomes.get(name)
        if outcome is None:
            raise NoSuchThing(f"transaction {hash} is not final, or is not known here")
        return Response(dump(_outcome(name, outcome)), media_type=JSON)

    async def content(hash: Hash) -> Response:
        """Give a final transaction, as it was signed."""
        name = TransactionHash(bytes.fromhex(hash))

        return json_answer(await backend.read(lambda at: find_transaction(at, name)))

    routes.add(
        "POST",
        "/v1/txs",
        post,
        access=Scope.SUBMIT,
        tag=TAG,
        body=_BODY,
        answer=Answer(
            description="What became of each, in order.",
            schema=_POSTED,
            also=[Answer(description="What became of each, in order.", media_type=CBOR)],
        ),
    )
    routes.add(
        "GET",
        "/v1/txs/{hash}",
        one,
        access=Scope.READ,
        tag=TAG,
        answer=Answer(
            description="The final transaction's place and effect.",
            schema={"type": "object", "properties": _OUTCOME, "required": list(_OUTCOME)},
        ),
    )
    routes.add(
        "GET",
        "/v1/txs/{hash}/content",
        content,
        access=Scope.READ,
        tag=TAG,
        answer=Answer(description="The transaction, and its encoding.", content=SignedTransaction),
    )


_ON_ITS_WAY: Final = (None, "AlreadyKnown")
"""Reasons of a submission for which waiting makes sense."""


def _from_cbor(data: bytes) -> tuple[bytes, ...]:
    try:
        items = cbor.decode(data, max_bytes=POSTED_BYTES_MAX, max_depth=1)
    except Malformed as error:
        raise BadBody(str(error)) from error
    if not isinstance(items, list):
        raise BadBody("the body must be an array of byte strings")
    return _checked(items)


def _from_json(data: bytes) -> tuple[bytes, ...]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadBody(f"the body is not JSON: {error}") from error
    items = document.get("transactions") if isinstance(document, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise InvalidRequest("body.transactions must be an array of transactions in base64")
    for name in document:
        if name != "transactions":
            raise InvalidRequest(f"body.{name[:40]}: there is no such member here; known are transactions")
    try:
        return _checked([b64decode(item, validate=True) for item in items])
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(f"body.transactions: not base64: {error}") from error


def _checked(items: list[Any]) -> tuple[bytes, ...]:
    if not 1 <= len(items) <= POSTED_MAX:
        raise InvalidRequest(f"body: 1 to {POSTED_MAX} transactions are taken at once, not {len(items)}")
    for item in items:
        if type(item) is not bytes or len(item) > TRANSACTION_BYTES_MAX:
            raise InvalidRequest(f"body: a transaction has at most {TRANSACTION_BYTES_MAX} bytes")
    return tuple(items)


def _to_cbor(submissions: Sequence[Submission], outcomes: dict[TransactionHash, Outcome]) -> bytes:
    rows: list[list[object]] = []
    for each in submissions:
        outcome = outcomes.get(each.hash)
        if outcome is None:
            rows.append([each.hash, each.refused, each.detail, None, None, None])
        else:
            receipt = outcome.receipt
            rows.append(
                [
                    each.hash,
                    each.refused,
                    receipt.detail,
                    int(outcome.height),
                    outcome.position,
                    receipt.error,
                ]
            )
    return cbor.encode(rows)


def _to_json(
    submissions: Sequence[Submission], outcomes: dict[TransactionHash, Outcome]
) -> list[dict[str, Any]]:
    rows = []
    for each in submissions:
        row = _outcome(each.hash, outcomes.get(each.hash))
        row["refused"] = each.refused
        row["detail"] = row["detail"] or each.detail
        rows.append(row)
    return rows


def _outcome(name: TransactionHash, outcome: Outcome | None) -> dict[str, Any]:
    receipt = None if outcome is None else outcome.receipt
    return {
        "hash": name.hex(),
        "height": None if outcome is None else outcome.height,
        "position": None if outcome is None else outcome.position,
        "applied": None if receipt is None else receipt.error is None,
        "error": None if receipt is None else receipt.error,
        "detail": "" if receipt is None else receipt.detail,
        "operation": None if receipt is None else receipt.operation,
    }
