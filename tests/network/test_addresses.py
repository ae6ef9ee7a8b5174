"""``host:port`` addresses."""

import pytest

from noded.network.addresses import format_address, ip_of, parse_address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:1", "127.0.0.1", 1),
        ("[::1]:65535", "::1", 65535),
        ("node.example:4001", "node.example", 4001),
    ],
)
def test_addresses_are_parsed_and_formatted(text: str, host: str, port: int) -> None:
    assert parse_address(text) == (host, port)
    assert format_address(host, port) == text


@pytest.mark.parametrize(
    "text", ["", "host", ":1", "host:", "host:0", "host:65536", "host:1x", "::1:80", "h:²"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"host:port|brackets"):
        parse_address(text)


def test_only_literal_addresses_have_an_ip() -> None:
    assert [ip_of(a) for a in ("10.0.0.1:1", "[0::1]:1", "node.example:1")] == ["10.0.0.1", "::1", None]
