"""`noded member`, `group`, `consent` and `delegate`: what is refused before a node is asked."""

import pytest

from tests.helpers.command import Captured, complaint

ID = "0a" * 16


@pytest.mark.parametrize(
    ("what", "why"),
    [
        (("member", "update"), "give --name or --address"),
        (("member", "update", "--name", "x" * 129), "--name has 1 to 128 bytes, not 129"),
        (("member", "update", "--name", ""), "--name has 1 to 128 bytes, not 0"),
        (("member", "update", "--address", "nowhere"), "'nowhere' is not host:port"),
        (
            ("member", "update", *(part for port in range(1, 6) for part in ("--address", f"a:{port}"))),
            "5 times --address; a member has at most 4",
        ),
        (("member", "suspend", ID, "--reason", ""), "--reason has 1 to 256 bytes, not 0"),
        (("group", "update", ID), "give --add or --remove"),
        (("group", "update", "x", "--add", ID), "a group's id has 32 hexadecimal digits"),
        (("consent", "grant", "--patient", ID), "give one of --to, --to-role and --to-group"),
        (
            ("consent", "grant", "--patient", ID, "--to", ID, "--to-group", ID),
            "give one of --to, --to-role and --to-group",
        ),
        (("consent", "amend", ID), "name what changes, such as --for 30d"),
        (("consent", "amend", ID, "--to", ID, "--to-role", "lab"), "give one of --to, --to-role"),
        (("consent", "amend", ID, "--for", "soon"), "'soon' is no time"),
        (("delegate", "clear", ID), "a delegate's key has 64 hexadecimal digits"),
    ],
)
def test_what_says_too_little_or_is_no_such_thing_is_refused(
    capsys: Captured, what: tuple[str, ...], why: str
) -> None:
    assert why in complaint(capsys, *what, code=2)
