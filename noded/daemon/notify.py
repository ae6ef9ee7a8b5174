"""Telling systemd how the daemon stands: sd_notify(3), a datagram to the socket that it names."""

import os
import socket


def notify(**state: str) -> None:
    """
    Send assignments such as ``READY="1"``; does nothing where no service manager listens.

    A service manager that went away is no reason to stop, so failures are ignored.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    message = "\n".join(f"{key}={value}" for key, value in state.items())
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as client:
            client.connect(address)
            client.sendall(message.encode())
    except OSError:
        return
