"""Blocks, the founding document, parameters, validators."""

from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import Field
from starlette.responses import Response

from noded.api.backend import Backend, StateAt
from noded.api.chain_data import (
    body_of,
    header_of,
    receipts_of,
    stored_block,
    transactions_of,
)
from noded.api.problems import NoSuchThing
from noded.api.rendering import dump, to_json
from noded.api.routing import (
    BYTES,
    CBOR,
    JSON,
    Answer,
    Cursor,
    HeightPath,
    Limit,
    Number,
    Routes,
    cursor_number,
    entry_answer,
    json_answer,
    number_cursor,
    page_answer,
)
from noded.api.tokens import Scope
from noded.codec.schema import decode_value, encode_value
from noded.ledger.commit import Receipt
from noded.ledger.head import table_key
from noded.ledger.queries import present_table
from noded.ledger.roles import ROLE_TABLE
from noded.storage.store import HEIGHT_MAX, StoredBlock
from noded.types.block import BlockBody, BlockHeader, FinalityProof
from noded.types.genesis import Genesis, NetworkParameters
from noded.types.ids import BlockHash, Epoch, Height
from noded.types.transaction import Transaction, decode_transaction
from noded.types.validator_set import ValidatorTable

PAGE_BYTES: Final = 256 * 1024
"""Transactions' encodings after which a page ends: in JSON they are longer, and each client that reads slowly holds its own."""

TAG: Final = "chain"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockSummary:
    """A block without what it carries."""

    height: Height
    header: BlockHeader
    is_certified: bool
    """Whether a finalization of this very block is kept, rather than of a later one."""
    is_pruned: bool
    """Whether the node has forgotten its transactions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeBlock:
    """A block with what it carries."""

    height: Height
    hash: BlockHash
    header: BlockHeader
    body: BlockBody | None
    """None where the node has forgotten it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedTransaction:
    """A transaction in its block, and what became of it."""

    position: int
    transaction: Transaction
    receipt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRow:
    """Who may send one operation."""

    operation: str
    roles: tuple[str, ...]
    """Members, by role."""
    keys: tuple[str, ...]
    """Others, by kind of key."""
    purposes: tuple[str, ...] | None
    """For which purposes; None where the operation has none."""


FirstHeight = Annotated[
    Number | None,
    Field(ge=0, le=HEIGHT_MAX, description="The highest block of the page; by default the last one."),
]


def add_chain(routes: Routes, backend: Backend) -> None:
    """Add the routes about the chain."""
    genesis = backend.genesis
    founding = encode_value(genesis)

    async def blocks(start: FirstHeight = None, after: Cursor = "", limit: Limit = 20) -> Response:
        """List blocks, newest first."""
        behind = cursor_number(after)
        first = start if behind is None else behind - 1
        return Response(dump(await backend.read(lambda at: _list_blocks(at, first, limit))), media_type=JSON)

    async def latest() -> Response:
        """Give the last block."""
        return json_answer(await backend.read(lambda at: _whole(stored_block(at, at.height))))

    async def block(height: HeightPath) -> Response:
        """Give one block."""
        return json_answer(await backend.read(lambda at: _whole(stored_block(at, height))))

    async def transactions(height: HeightPath, after: Cursor = "", limit: Limit = 50) -> Response:
        """List the transactions of a block, in order."""
        return Response(
            dump(await backend.read(lambda at: _transactions(at, height, after, limit))), media_type=JSON
        )

    async def proof(height: HeightPath) -> Response:
        """Give the block's finality proof in CBOR: headers above it, and the finalization of the last one."""

        def find(at: StateAt) -> FinalityProof:
            stored = stored_block(at, height)
            if stored.certificate is None:
                raise NoSuchThing(f"no finalization of block {height} itself is kept; a later block has one")
            return decode_value(FinalityProof, stored.certificate, max_bytes=len(stored.certificate))

        return Response(encode_value(await backend.read(find)), media_type=CBOR)

    async def founding_document() -> Response:
        """Give the founding document."""
        return json_answer(genesis)

    async def founding_encoding() -> Response:
        """Give the founding document's encoding, whose hash is the chain's id."""
        return Response(founding, media_type=BYTES)

    async def parameters() -> Response:
        """Give the network parameters in force."""
        found = backend.look(
            lambda at: {"height": at.height, "id": "", "value": to_json(at.chain.parameters)}
        )
        return Response(dump({**found, "id": genesis.chain_id.hex()}), media_type=JSON)

    async def validators(
        epoch: Annotated[
            Number | None, Field(ge=1, le=HEIGHT_MAX, description="By default the present one.")
        ] = None,
    ) -> Response:
        """Give an epoch's table: powers, shares of proposals, reputations; past ones while evidence is accepted."""

        def find(at: StateAt) -> ValidatorTable:
            if epoch is None:
                return present_table(at.state)
            table = at.state.read(table_key(Epoch(epoch)), ValidatorTable)
            if table is None:
                raise NoSuchThing(f"the table of epoch {epoch} is not kept, or not known yet")
            return table

        return json_answer(backend.look(find))

    async def policy() -> Response:
        """Say who may send which operation, and for which purposes."""
        rows = tuple(
            PolicyRow(
                operation=name,
                roles=tuple(role.name.lower() for role in row.roles),
                keys=tuple(kind.name.lower() for kind in row.keys),
                purposes=None if row.purposes is None else tuple(each.name.lower() for each in row.purposes),
            )
            for name, row in ROLE_TABLE.items()
        )
        return Response(dump(to_json(rows, tuple[PolicyRow, ...])), media_type=JSON)

    for path, endpoint, answer in (
        ("/v1/blocks", blocks, page_answer("Blocks, by id their hash.", BlockSummary)),
        ("/v1/blocks/latest", latest, Answer(description="The block.", content=WholeBlock)),
        ("/v1/blocks/{height}", block, Answer(description="The block.", content=WholeBlock)),
        (
            "/v1/blocks/{height}/transactions",
            transactions,
            page_answer("Transactions, by id their hash.", PlacedTransaction),
        ),
        ("/v1/blocks/{height}/proof", proof, Answer(description="The finality proof.", media_type=CBOR)),
        ("/v1/genesis", founding_document, Answer(description="The document.", content=Genesis)),
        ("/v1/genesis/encoding", founding_encoding, Answer(description="Its bytes.", media_type=BYTES)),
        ("/v1/parameters", parameters, entry_answer("The parameters.", NetworkParameters)),
        ("/v1/validators", validators, Answer(description="The table.", content=ValidatorTable)),
        ("/v1/policy", policy, Answer(description="The rows.", content=tuple[PolicyRow, ...])),
    ):
        routes.add("GET", path, endpoint, access=Scope.READ, tag=TAG, answer=answer)


def _whole(stored: StoredBlock) -> WholeBlock:
    return WholeBlock(
        height=Height(stored.height),
        hash=BlockHash(stored.hash),
        header=header_of(stored),
        body=None if stored.body is None else body_of(stored),
    )


def _list_blocks(at: StateAt, start: int | None, limit: int) -> dict[str, Any]:
    first = int(at.height) if start is None else min(start, int(at.height))
    items: list[dict[str, Any]] = []
    height = first
    while height >= 0 and len(items) < limit:
        stored = at.reader.block(height)
        if stored is None:
            break
        summary = BlockSummary(
            height=Height(height),
            header=header_of(stored),
            is_certified=stored.certificate is not None,
            is_pruned=stored.body is None,
        )
        items.append({"id": stored.hash.hex(), "value": to_json(summary)})
        height -= 1
    following = number_cursor(height + 1) if items and height >= 0 else None
    return {"height": at.height, "items": items, "next": following}


def _transactions(at: StateAt, height: int, after: str, limit: int) -> dict[str, Any]:
    stored = stored_block(at, height)
    behind = cursor_number(after)
    first = 0 if behind is None else behind + 1
    receipts = receipts_of(stored)
    items: list[dict[str, Any]] = []
    last = first
    size = 0
    for position, encoding in transactions_of(at, stored, first):
        signed = decode_transaction(encoding)
        placed = PlacedTransaction(
            position=position, transaction=signed.transaction, receipt=receipts[position]
        )
        items.append({"id": signed.hash.hex(), "value": to_json(placed)})
        last = position
        size += len(encoding)
        if len(items) == limit or size >= PAGE_BYTES:
            break
    more = bool(items) and last + 1 < len(receipts)
    return {"height": at.height, "items": items, "next": number_cursor(last) if more else None}
