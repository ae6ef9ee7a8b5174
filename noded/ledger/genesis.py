"""The founding state, and the block that commits to it."""

from noded.crypto.sparse_merkle import UpperTree
from noded.errors import ConfigError
from noded.ledger.commit import CommittedBlock
from noded.ledger.epoch import founding_table
from noded.ledger.execution import changes_of
from noded.ledger.head import CHAIN_KEY, HEAD_KEY, Chain, Head, table_key
from noded.ledger.keys import add_key
from noded.ledger.members import MEMBERS_KEY, Member, Members, MemberStatus, member_key
from noded.ledger.modules.membership import claim_keys, keys_of
from noded.ledger.parameters import why_contradictory
from noded.ledger.participation import empty_counters
from noded.ledger.state import Overlay
from noded.types.genesis import Genesis, genesis_block
from noded.types.ids import ZERO_HASH, BlockHash, Epoch, Height, StateRoot
from noded.types.operations.membership import KeyUse
from noded.types.roles import KeyKind
from noded.types.validator_set import table_root


class InvalidGenesis(ConfigError):
    """The genesis document contradicts itself; the message says where."""


def found(genesis: Genesis) -> CommittedBlock:
    """
    The genesis block and the state that it founds; the first commit of every store.

    Raises:
        InvalidGenesis: The document contradicts itself.
    """
    check_genesis(genesis)
    state = Overlay(lambda key: None)
    height = Height(0)
    state.write(CHAIN_KEY, Chain(chain_id=genesis.chain_id, parameters=genesis.parameters))
    for institution in genesis.institutions:
        member = Member(institution=institution, status=MemberStatus.MEMBER, since=height)
        state.write(member_key(institution.id), member)
        claim_keys(state, institution)
        add_key(state, institution.account_key, kind=KeyKind.INSTITUTION, owner=institution.id, height=height)
    state.write(MEMBERS_KEY, Members(ids=tuple(each.id for each in genesis.institutions)))
    table = founding_table(genesis)
    state.write(table_key(table.epoch), table)
    state.write(
        HEAD_KEY,
        Head(
            height=height,
            block=BlockHash(ZERO_HASH),
            epoch=Epoch(0),
            time_ms=genesis.time_ms,
            terminal=True,
            first_height=height,
            last_height=height,
            opportunities=0,
            points=empty_counters(0),
            proposed=empty_counters(0),
            failed=empty_counters(0),
            recent=(),
        ),
    )
    state.keep()
    changes = changes_of(state, UpperTree(), (), lambda bucket: b"", {})
    root = StateRoot(changes.delta.root)
    return CommittedBlock(
        block=genesis_block(genesis, root, table_root(table)),
        batches=(),
        tail=(),
        finalization=None,
        state_root=root,
        writes=changes.writes,
        replaced=changes.replaced,
        delta=changes.delta,
        buckets=changes.buckets,
        bucket_roots=changes.bucket_roots,
        index=(),
        entries=(),
        receipts=(),
        events=(),
        members_changed=True,
    )


def check_genesis(genesis: Genesis) -> None:
    """
    Check what the document's types do not say (L11).

    Raises:
        InvalidGenesis: It contradicts itself.
    """
    ids = [institution.id for institution in genesis.institutions]
    if ids != sorted(frozenset(ids)):
        raise InvalidGenesis("institutions must be in order of id, each once")
    validators = [validator.id for validator in genesis.validators]
    if validators != sorted(frozenset(validators)):
        raise InvalidGenesis("validators must be in order of id, each once")
    strangers = sorted(frozenset(validators) - frozenset(ids))
    if strangers:
        raise InvalidGenesis(f"validator {strangers[0].hex()} is no institution")
    used: dict[bytes, tuple[str, KeyUse]] = {}
    for institution in genesis.institutions:
        for key, use in keys_of(institution):
            if key in used:
                raise InvalidGenesis(
                    f"every institution needs keys of its own: the {use.name.lower()} key of "
                    f"{institution.legal_name} is the {used[key][1].name.lower()} key of {used[key][0]}"
                )
            used[key] = institution.legal_name, use
    why = why_contradictory(genesis.parameters, len(validators))
    if why is not None:
        raise InvalidGenesis(why)
