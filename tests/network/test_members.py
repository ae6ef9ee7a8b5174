"""N1: the allow-list."""

import pytest

from noded.network import PeerInfo
from noded.network.faults import PENALTY_BAN, NotAMember, PeerBanned
from noded.network.members import Members, peer_id_of

ME = b"m" * 16


def info(name: bytes, key: bytes = b"k", *addresses: str) -> PeerInfo:
    return PeerInfo(peer=name * 16, network_key=key * 32, addresses=addresses)


async def test_only_keys_on_the_list_are_admitted() -> None:
    members = Members(ME)
    members.replace([info(b"a", b"1"), info(b"b", b"2")])

    assert members.admit(peer_id_of(b"2" * 32)) == b"b" * 16
    with pytest.raises(NotAMember):
        members.admit(peer_id_of(b"3" * 32))


async def test_this_node_is_no_member_to_itself() -> None:
    members = Members(ME)
    members.replace([info(b"m", b"1")])

    assert len(members) == 0
    with pytest.raises(NotAMember):
        members.admit(peer_id_of(b"1" * 32))


async def test_a_banned_member_is_not_admitted() -> None:
    members = Members(ME)
    [[new], _] = members.replace([info(b"a", b"1")])
    new.score.add(PENALTY_BAN, 1e18)

    with pytest.raises(PeerBanned):
        members.admit(peer_id_of(b"1" * 32))


async def test_a_new_key_ends_no_ban() -> None:
    """N9: a member may replace its key at any time, and is who it was."""
    members = Members(ME)
    [[old], _] = members.replace([info(b"a", b"1")])
    old.score.add(PENALTY_BAN, 1e18)

    members.replace([info(b"a", b"2")])

    with pytest.raises(PeerBanned):
        members.admit(peer_id_of(b"2" * 32))


async def test_what_has_changed_is_told() -> None:
    members = Members(ME)
    members.replace([info(b"a", b"1"), info(b"b", b"2"), info(b"c", b"3")])
    kept = members.get(b"a" * 16)
    assert kept is not None
    new, gone = members.replace([info(b"a", b"1", "host:1"), info(b"b", b"9"), info(b"d", b"4")])

    assert [member.info for member in new] == [info(b"b", b"9"), info(b"d", b"4")]
    assert [member.info for member in gone] == [info(b"b", b"2"), info(b"c", b"3")]
    assert members.get(b"a" * 16) is kept
    assert kept.info.addresses == ("host:1",)
    assert kept.poke.is_set()
    with pytest.raises(NotAMember):
        members.admit(peer_id_of(b"2" * 32))


async def test_where_members_come_from_is_known_by_address_or_by_experience() -> None:
    members = Members(ME)
    [[_, named], _] = members.replace([info(b"a", b"1", "10.0.0.1:1"), info(b"b", b"2", "node.example:1")])
    assert members.ip_addresses() == {"10.0.0.1"}
    named.seen_ip = "10.0.0.2"

    assert members.ip_addresses() == {"10.0.0.1", "10.0.0.2"}
