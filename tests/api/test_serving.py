import datetime
import os
import socket
import ssl
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from structlog.testing import capture_logs

from noded.api.serving import AddressUnusable, Api, serve_api
from noded.api.settings import ApiSettings
from noded.api.tokens import Scope
from noded.client.http import NodeClient
from noded.client.sockets import SOCKET_NAME
from noded.client.wire import request_bytes
from noded.errors import ConfigError
from tests.helpers.api import TCP, read_answer, serve
from tests.helpers.backend import TestBackend


def write_certificate(folder: Path, *, days: int = 1) -> tuple[Path, Path]:
    """A self-signed certificate for localhost, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / "tls.pem", folder / "tls.key"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return pem, secret


def settings(home: Path, **changes: Any) -> ApiSettings:
    values: dict[str, object] = {
        "home": home,
        "listen": None,
        "metrics_listen": None,
        "tls_certificate": None,
        "tls_key": None,
        "connections_max": 10,
        "connections_per_client_max": 10,
        "requests_per_s": 100,
        "requests_burst": 100,
    }
    return ApiSettings(**{**values, **changes})


class TestOwnSocket:
    async def test_it_is_the_owners_alone(self, tmp_path: Path) -> None:
        async with serve(TestBackend(), tmp_path):
            mode = (tmp_path / SOCKET_NAME).stat().st_mode

        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600

    async def test_one_left_behind_is_replaced(self, tmp_path: Path) -> None:
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(str(tmp_path / SOCKET_NAME))
        stale.close()
        async with serve(TestBackend(), tmp_path) as served:
            assert (await served.get("/livez")).status == 200

    async def test_the_path_may_be_long(self, tmp_path: Path) -> None:
        """The kernel takes 107 bytes, homes in state folders and tests have more."""
        home = tmp_path / ("long-" * 20) / ("name-" * 20)
        home.mkdir(parents=True)
        async with serve(TestBackend(), home):

            def ask() -> object:
                with NodeClient.in_home(home) as client:
                    return client.get_bytes("/livez")

            assert await trio.to_thread.run_sync(ask) == b"ok\n"

    async def test_a_home_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises((ExceptionGroup, OSError)):
            async with serve(TestBackend(), tmp_path / "missing"):
                pass

    async def test_another_user_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("noded.api.serving._peer_user", lambda stream: os.geteuid() + 1)
        async with serve(TestBackend(), tmp_path) as served, await served.connect() as stream:
            with suppress(trio.BrokenResourceError):
                assert await stream.receive_some(1) == b""


class TestTls:
    async def test_clients_talk_over_tls(self, tmp_path: Path) -> None:
        pem, secret = write_certificate(tmp_path)
        async with serve(TestBackend(), tmp_path, listen=TCP, tls_certificate=pem, tls_key=secret) as served:
            context = ssl.create_default_context(cafile=str(pem))
            plain = await served.connect("https")
            secured = trio.SSLStream(plain, context, server_hostname="localhost", https_compatible=True)
            headers = served.token(Scope.READ)
            await secured.send_all(request_bytes("GET", "/v1/status", headers, None))
            answer = await read_answer(secured)
            connection: Any = secured  # What its ssl_object has, it has too.
            version = connection.version()

        assert answer.status == 200
        assert version == "TLSv1.3"

    async def test_who_does_not_speak_it_is_cut_off(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("noded.api.serving.HANDSHAKE_S", 0.2)
        pem, secret = write_certificate(tmp_path)
        async with serve(TestBackend(), tmp_path, listen=TCP, tls_certificate=pem, tls_key=secret) as served:
            for sent in (b"", b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\x01" * 100):
                stream = await served.connect("https")
                if sent:
                    await stream.send_all(sent)
                with suppress(trio.BrokenResourceError):
                    while await stream.receive_some(1000):
                        pass
            assert (await served.get("/livez")).status == 200

    async def test_a_new_certificate_is_used_from_then_on(self, tmp_path: Path) -> None:
        pem, secret = write_certificate(tmp_path)
        files = {"tls_certificate": pem, "tls_key": secret}
        async with serve(TestBackend(), tmp_path, listen=TCP, **files) as served:
            write_certificate(tmp_path, days=2)
            served.api.apply(settings(tmp_path, **files))
            context = ssl.create_default_context(cafile=str(pem))
            plain = await served.connect("https")
            secured = trio.SSLStream(plain, context, server_hostname="localhost", https_compatible=True)
            await secured.do_handshake()
            await trio.aclose_forcefully(secured)

    async def test_one_that_cannot_be_used_changes_nothing(self, tmp_path: Path) -> None:
        pem, secret = write_certificate(tmp_path)
        files = {"tls_certificate": pem, "tls_key": secret}
        async with serve(TestBackend(), tmp_path, listen=TCP, **files) as served:
            before = served.api._door.all_max
            pem.write_text("nonsense")
            with pytest.raises(ConfigError, match=r"tls\.pem"):
                served.api.apply(settings(tmp_path, connections_max=1, **files))

            assert served.api._door.all_max == before

    async def test_a_key_that_everybody_may_read_is_warned_of(self, tmp_path: Path) -> None:
        pem, secret = write_certificate(tmp_path)
        found = settings(tmp_path, tls_certificate=pem, tls_key=secret)
        for mode, count in ((0o640, 0), (0o644, 1)):
            secret.chmod(mode)
            with capture_logs() as logs:
                Api(TestBackend(), found, clock_ms=lambda: 0)

            assert [each["file"] for each in logs] == [str(secret)] * count

    async def test_a_missing_one_is_named_before_anything_listens(self, tmp_path: Path) -> None:
        pem, secret = write_certificate(tmp_path)
        for files, named in (
            ((tmp_path / "missing.pem", secret), r"^api\.tls_certificate: .*missing\.pem: No such file"),
            ((pem, tmp_path / "missing.key"), r"^api\.tls_key: .*missing\.key: No such file"),
        ):
            certificate, key = files
            with pytest.raises(ConfigError, match=named):
                Api(
                    TestBackend(),
                    settings(tmp_path, tls_certificate=certificate, tls_key=key),
                    clock_ms=lambda: 0,
                )

    async def test_the_key_of_another_is_said_to_be_one(self, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        pem, _ = write_certificate(tmp_path)
        _, other = write_certificate(tmp_path / "other")

        with pytest.raises(ConfigError, match=r"^api\.tls_key .* is not of this certificate"):
            Api(TestBackend(), settings(tmp_path, tls_certificate=pem, tls_key=other), clock_ms=lambda: 0)


async def test_an_address_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ExceptionGroup) as caught:
            async with trio.open_nursery() as nursery:
                await nursery.start(serve_api, TestBackend(), settings(tmp_path, listen=("127.0.0.1", port)))

    assert caught.group_contains(AddressUnusable, match=f"127.0.0.1:{port}") or str(port) in repr(
        caught.value.exceptions
    )


async def test_it_ends_at_once_whatever_clients_do(tmp_path: Path) -> None:
    """A client that waits, one that does not read, one that is silent: none holds up the node's end."""
    backend = TestBackend()
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            await nursery.start(serve_api, backend, settings(tmp_path))
            for sent in (b"", b"GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n", b"GET /v1"):
                made = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
                await made.connect(str(tmp_path / SOCKET_NAME))
                if sent:
                    await made.send(sent)
            await trio.sleep(0.05)
            began = trio.current_time()
            nursery.cancel_scope.cancel()

    assert trio.current_time() - began < 10
