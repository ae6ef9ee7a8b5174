"""``host:port`` addresses."""

import ipaddress


def parse_address(address: str) -> tuple[str, int]:
    """
    Host and port of ``host:port`` or ``[host]:port``.

    Raises:
        ValueError: Not of that form.
    """
    host, colon, port = address.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{address!r} needs brackets around its IPv6 address")
    if not colon or not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"{address!r} is not host:port")
    return host, int(port)


def format_address(host: str, port: int) -> str:
    """The inverse of parse_address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def ip_of(address: str) -> str | None:
    """The IP address in an address that has no name in it; None otherwise."""
    try:
        return str(ipaddress.ip_address(parse_address(address)[0]))
    except ValueError:
        return None
