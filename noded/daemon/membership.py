"""Whom this node connects to: the ledger's table of endpoints, and the operator's bootstrap peers."""

from noded.config.model import NodeConfig
from noded.ledger.members import MemberStatus, get_member, get_members
from noded.ledger.state import Overlay
from noded.network.interface import PeerInfo

CONNECTED = (MemberStatus.MEMBER, MemberStatus.SUSPENDED)
"""Members in this standing may connect; a suspended one still votes."""


def known_peers(state: Overlay, config: NodeConfig) -> list[PeerInfo]:
    """All members that may connect, with the addresses at which they can be dialled."""
    bootstrap: dict[str, tuple[str, ...]] = {}
    for peer in config.network.bootstrap:
        digits, _, address = peer.partition("@")
        bootstrap[digits] = (*bootstrap.get(digits, ()), address)
    infos = []
    for name in get_members(state):
        member = get_member(state, name)
        assert member is not None
        if member.status not in CONNECTED:
            continue
        institution = member.institution
        addresses = bootstrap.get(name.hex(), ()) or tuple(institution.endpoints)
        infos.append(PeerInfo(peer=name, network_key=institution.network_key, addresses=addresses))
    return infos
