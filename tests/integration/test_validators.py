"""Who may vote, on real nodes: an institution joins and leaves, a key is replaced, an equivocator is caught and jailed."""

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from noded.testnet.creating import HOST, create_testnet, free_ports
from noded.testnet.processes import NodeProcess, Testnet
from tests.helpers.byzantine_node import BEHAVIOUR
from tests.helpers.command import Captured, said, told
from tests.helpers.epochs import get, lengthened, pass_epochs, row, until_epoch
from tests.helpers.fleet import check_agreement, check_signatures, status, until, until_height

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("processes")]

ROOT = Path(__file__).parents[2]

EPOCH = 24
"""Heights: some three seconds, in which a proposal is made and voted on."""


@pytest.fixture
def four(tmp_path: Path) -> Iterator[Testnet]:
    create_testnet(tmp_path / "net", 4, encrypted=False, parameters=lengthened(EPOCH))
    with Testnet(tmp_path / "net") as testnet:
        testnet.start()
        yield testnet


def explained(node: NodeProcess, member: bytes, epoch: int) -> dict[str, Any]:
    """What the blocks of an epoch say of a member."""
    found: dict[str, Any] = get(node, f"/v1/institutions/{member.hex()}/epochs/{epoch}")
    return found


def votes_counted(node: NodeProcess, member: bytes, epoch: int) -> int:
    """Certificates of an epoch in which a member's vote stands, and late votes."""
    return sum(each["voted"] + len(each["late"]) for each in explained(node, member, epoch)["signals"])


def admit(founders: Sequence[NodeProcess], fifth: Path, capsys: Captured, tmp_path: Path) -> dict[str, Any]:
    """What the operators of a member and of an applicant do, up to the vote that admits it."""
    sponsor = founders[0].home
    invitation, accepted = tmp_path / "invitation", tmp_path / "accepted"
    told(capsys, "member", "invite", fifth / "institution.json", "--out", invitation, "--home", sponsor)
    joined = told(capsys, "join", invitation, "--out", accepted, "--home", fifth)
    registered: dict[str, Any] = told(capsys, "member", "register", accepted, "--home", sponsor)
    assert registered["applicant"] == joined["institution"]
    [proposal] = told(capsys, "vote", "list", "--home", founders[1].home)["proposals"]
    assert (proposal["id"], proposal["name"], proposal["status"]) == (
        registered["proposal"],
        "Clinic Five",
        "open",
    )
    for node in founders[1:]:
        voted = told(capsys, "vote", "yes", proposal["id"], "--home", node.home)
        if voted["status"] == "passed":
            break
    assert voted["status"] == "passed"
    return registered


def check_proofs(node: NodeProcess, epoch: int, folder: Path, capsys: Captured) -> None:
    """Over epochs in which a key and the members changed, one by one and by skipping, with nothing but the chain's id."""
    chain_id = get(node, "/v1/status")["chain_id"]
    for name, options in (("whole", ()), ("short", ("--skip",))):
        path = folder / name
        told(
            capsys, "proof", "export", "record", "00" * 16, "--out", path, *options, "--home", node.home
        )  # fmt: skip
        shown = told(capsys, "proof", "verify", path, "--chain-id", chain_id, "--home", folder / "nowhere")
        assert (shown["from_epoch"], shown["exists"]) == (1, False)
        assert shown["epoch"] > epoch
        assert bool(shown["skipped_to"]) is bool(options)
    assert (folder / "short").stat().st_size < (folder / "whole").stat().st_size


def test_an_institution_joins_by_vote_and_leaves_and_another_replaces_its_key(
    four: Testnet, tmp_path: Path, capsys: Captured
) -> None:
    testnet = four
    founders = list(testnet.nodes)
    home = tmp_path / "net" / "node5"
    address = f"{HOST}:{free_ports(1)[0]}"
    told(
        capsys, "init", "--home", home, "--name", "Clinic Five", "--role", "hospital", "--jurisdiction", "DE",
        "--address", address, "--listen", address, "--unencrypted",
    )  # fmt: skip
    fifth = NodeProcess(home)
    testnet.nodes = [*founders, fifth]
    member = fifth.institution.id

    admit(founders, home, capsys, tmp_path)
    assert row(founders[0], member) == {}, "admitted, but its node has shown nothing yet"
    rotating = founders[3].institution.id
    old = row(founders[0], rotating)["public_key"]
    rotated = told(capsys, "keys", "rotate", "--home", founders[3].home)
    assert told(capsys, "keys", "rotate", "account", "--home", founders[2].home)["name"] == "account-2"
    fifth.start()
    fifth.wait_ready()
    shown = told(capsys, "ready", "--home", home)
    assert shown["votes"]
    first = max(shown["epoch"], rotated["counts_from_epoch"])
    until_epoch([*founders, fifth], first + 1)

    assert votes_counted(founders[0], member, first) > EPOCH // 2
    assert row(founders[0], member, first)["power"] == 1000
    assert len(get(founders[0], "/v1/validators", epoch=first)["validators"]) == 5
    switched = rotated["counts_from_epoch"]
    assert row(founders[0], rotating, switched - 1)["public_key"] == old
    assert row(founders[0], rotating, switched)["public_key"] == rotated["public_key"] != old
    assert votes_counted(founders[0], rotating, switched) > 0

    check_proofs(founders[1], first, tmp_path, capsys)
    proposed = told(capsys, "vote", "propose", "remove", member.hex(), "--home", home)
    for node in founders:
        voted = told(capsys, "vote", "yes", proposed["id"], "--home", node.home)
        if voted["status"] == "passed":
            break
    pass_epochs(founders, 0)
    assert row(founders[0], member) == {}
    goal = status(founders[0])["height"] + 10
    until_height(founders, goal)
    assert fifth.stop() == 0
    until_height(founders, status(founders[0])["height"] + 5)

    assert testnet.stop() == [0] * 4
    homes = [node.home for node in testnet.nodes]
    check_agreement(homes)
    assert check_signatures(homes) > 0
    for node in testnet.nodes:
        assert "Traceback" not in node.log


@pytest.mark.slow
def test_a_rotated_key_over_restarts_and_on_another_machine(
    four: Testnet, tmp_path: Path, capsys: Captured
) -> None:
    testnet = four
    node, other = testnet.nodes[:2]
    member = node.institution.id
    rotated = told(capsys, "keys", "rotate", "--home", node.home)
    epoch = rotated["counts_from_epoch"]
    node.kill()
    node.start()
    node.wait_ready()
    back = max(epoch, status(node)["epoch"] + 1)  # On a busy machine a start takes longer than an epoch.
    until_epoch(testnet.nodes, back + 1)
    assert votes_counted(other, member, epoch - 1) > 0
    assert votes_counted(other, member, back) > 0
    node.kill()
    node.start()
    node.wait_ready()
    later = pass_epochs(testnet.nodes, 1)
    assert votes_counted(other, member, later - 1) > 0
    assert "does not vote" not in node.log

    assert testnet.stop() == [0] * 4
    homes = [each.home for each in testnet.nodes]
    check_agreement(homes)
    check_signatures(homes)
    exported, word = tmp_path / "key", tmp_path / "word"
    word.write_text("a passphrase\n")
    word.chmod(0o600)
    told(
        capsys, "keys", "export", rotated["name"], "--out", exported, "--export-passphrase-file", word,
        "--home", node.home,
    )  # fmt: skip
    taken = told(
        capsys, "keys", "import", exported, "--name", "consensus-9", "--export-passphrase-file", word,
        "--home", other.home,
    )  # fmt: skip
    [mark] = taken["watermarks"].values()
    assert mark["epoch"] >= later, "the key carries up to where its validator signed"


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", ["equivocate", "double-vote"])
def test_an_equivocator_is_caught_and_jailed(tmp_path: Path, capsys: Captured, behaviour: str) -> None:
    """
    The second of five, by id, shows its blocks to three others and rivals of them to the fourth.

    The three need its vote for a certificate, and so the fourth hears of both votes. Who splits the others evenly
    gets no certificate and leaves no proof; its views fail, which costs it reputation.
    """
    folder = tmp_path / "net"
    create_testnet(folder, 5, encrypted=False, parameters=lengthened(EPOCH))
    with Testnet(folder) as testnet:
        culprit = sorted(testnet.nodes, key=lambda node: node.institution.id)[1]
        honest = [node for node in testnet.nodes if node is not culprit]
        member = culprit.institution.id
        for node in honest:
            node.start()
        culprit.start(
            module="tests.helpers.byzantine_node",
            environment={BEHAVIOUR: behaviour, "PYTHONPATH": str(ROOT)},
        )
        for node in testnet.nodes:
            node.wait_ready()
        one = honest[0]

        until(lambda: not row(one, member), "the equivocator is jailed")
        jailed = next(epoch for epoch in count(1) if not row(one, member, epoch))
        evidence = {epoch: explained(one, member, epoch) for epoch in range(1, jailed)}
        kinds = {
            epoch: {*found["evidence"], *(kind for each in found["signals"] for kind in each["evidence"])}
            for epoch, found in evidence.items()
        }
        assert [epoch for epoch, found in kinds.items() if found] == [jailed - 1]
        assert kinds[jailed - 1] <= {"ConflictingVotes", "ConflictingProposals"}
        shown = said(capsys, "reputation", "show", "--home", one.home)
        until_height(honest, status(one)["height"] + EPOCH)
        assert not row(one, member)

        assert testnet.stop() == [0] * 5
    homes = [node.home for node in honest]
    check_agreement(homes, is_blamed=True)
    check_signatures(homes)
    for node in honest:
        assert "Traceback" not in node.log
    assert "jailed" in shown
