"""`noded access request`: what is refused before a node is asked."""

import pytest

from tests.helpers.command import Captured, complaint

ID = "0a" * 16
CONSENT = ("--consent", ID, "--actor", "x")


@pytest.mark.parametrize(
    ("what", "why"),
    [
        (CONSENT, "give either a RECORD or --patient"),
        ((ID, "--patient", ID, *CONSENT), "give either a RECORD or --patient"),
        ((ID, "--actor", "x"), "give either --consent, --opening or --own"),
        ((ID, *CONSENT, "--own"), "give either --consent, --opening or --own"),
        ((ID, "--own", "--use", "for_profit"), "--own goes without --use"),
        ((ID, "--own", "--actor", "x"), "with --own there is none"),
        ((ID, "--consent", ID), "names who reads with --actor"),
        ((ID, *CONSENT, "--wallet", "mine"), "--wallet goes with --own"),
        ((ID, *CONSENT, "--use", "fame"), "'fame' is no use"),
        ((ID, *CONSENT, "--tag", "cancer"), "a tag has 32 hexadecimal digits"),
        ((ID, *CONSENT, *(part for tag in range(5) for part in ("--tag", f"{tag:032x}"))), "at most 4"),
    ],
)
def test_a_request_that_says_too_little_or_too_much_is_refused(
    capsys: Captured, what: tuple[str, ...], why: str
) -> None:
    assert why in complaint(capsys, "access", "request", *what, code=2)
