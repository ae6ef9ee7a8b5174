"""The consortium of a simulation: its members, their keys and the genesis document, all drawn from the seed."""

from dataclasses import dataclass, replace

from noded.crypto.signing import public_key_of
from noded.types.genesis import (
    DEFAULT_PARAMETERS,
    EncryptionKey,
    FoundingValidator,
    Genesis,
    Institution,
    NetworkParameters,
    Routing,
)
from noded.types.ids import InstitutionId, PublicKey, TimestampMs, VotingPower
from noded.types.roles import Role
from sim.models.clock import EPOCH_MS, NS_PER_MS
from sim.scenario.explicit import byzantine_nodes, founding_nodes
from sim.scenario.model import Scenario
from sim.streams import Stream

POWER = VotingPower(1_000)
"""Of each founding validator: equals."""

ROUTINGS = {"auto": Routing.AUTO, "all": Routing.ALL, "linear": Routing.LINEAR}


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberKeys:
    """Seeds of one member's keys."""

    id: InstitutionId
    consensus: bytes
    account: bytes
    network: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Consortium:
    """Institutions in order of their ids, which is the order of validators and of nodes."""

    keys: tuple[MemberKeys, ...]
    institutions: tuple[Institution, ...]
    """Founders, and those that may be admitted later."""
    genesis: Genesis


def make_consortium(scenario: Scenario) -> Consortium:
    """The members and genesis of an explicit scenario."""
    stream = Stream(scenario.seed, "members")
    owners = {node: owner for owner, nodes in scenario.nodes.owners.items() for node in _listed(nodes)}
    founders = founding_nodes(scenario)
    count = scenario.nodes.count
    keys = sorted(
        (
            MemberKeys(
                id=InstitutionId(stream.bytes(16)),
                consensus=stream.bytes(32),
                account=stream.bytes(32),
                network=stream.bytes(32),
            )
            for _ in range(count)
        ),
        key=lambda member: member.id,
    )
    institutions = tuple(
        Institution(
            id=member.id,
            legal_name=f"Institution {index}",
            role=Role.HOSPITAL,
            owner=owners.get(index, ""),
            jurisdiction="DE",
            consensus_key=PublicKey(public_key_of(member.consensus)),
            network_key=PublicKey(public_key_of(member.network)),
            account_key=PublicKey(public_key_of(member.account)),
            encryption_key=EncryptionKey(stream.bytes(32)),
            endpoints=(),
        )
        for index, member in enumerate(keys)
    )
    genesis = Genesis(
        name=f"sim {scenario.name}"[:64],
        time_ms=TimestampMs(EPOCH_MS),
        parameters=make_parameters(scenario),
        institutions=tuple(institutions[node] for node in founders),
        validators=tuple(FoundingValidator(id=keys[node].id, power=POWER) for node in founders),
    )
    return Consortium(keys=tuple(keys), institutions=institutions, genesis=genesis)


def make_parameters(scenario: Scenario) -> NetworkParameters:
    """The network parameters of an explicit scenario."""
    protocol = scenario.protocol
    most = max(1, (len(founding_nodes(scenario)) - 1) // 3)
    tolerated = protocol.tolerated or len(byzantine_nodes(scenario)) or 1
    return replace(
        DEFAULT_PARAMETERS,
        routing=ROUTINGS[protocol.routing],
        delta_ms=max(1, scenario.time.delta // NS_PER_MS),
        view_timeout_ms=protocol.view_timeout // NS_PER_MS,
        block_interval_ms=protocol.block_interval // NS_PER_MS,
        idle_interval_ms=protocol.idle_interval // NS_PER_MS,
        drift_ms=max(1, protocol.drift // NS_PER_MS),
        silent_views=protocol.silent_views,
        epoch_length=protocol.epoch_length,
        block_bytes_max=protocol.block_bytes,
        k_min=min(tolerated, most),
        reputation=protocol.reputation,
    )


def _listed(selector: object) -> list[int]:
    assert isinstance(selector, list), "scenarios are made explicit before they run"
    return selector
