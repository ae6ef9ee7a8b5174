import json
from pathlib import Path
from typing import Any

import pytest

from noded.api.tokens import NAME_CHARACTERS_MAX
from noded.errors import ConfigError
from tests.helpers.api import TCP, serve
from tests.helpers.backend import TestBackend

TOKENS = "/v1/admin/tokens"


def wanted(**changes: Any) -> bytes:
    values: dict[str, object] = {"name": "bench", "scopes": ["read"], "valid_s": 60}
    return json.dumps({**values, **changes}).encode()


class TestTokens:
    async def test_one_is_made_used_listed_and_revoked(self, tmp_path: Path) -> None:
        async with serve(TestBackend(), tmp_path, listen=TCP) as served:
            made = await served.post(TOKENS, wanted())
            headers = {"authorization": f"Bearer {made.json['token']}"}
            used = await served.get("/v1/status", over="http", headers=headers)
            listed = await served.get(TOKENS)
            revoked = await served.ask("DELETE", f"{TOKENS}/{made.json['view']['id']}")
            again = await served.ask("DELETE", f"{TOKENS}/{made.json['view']['id']}")
            refused = await served.get("/v1/status", over="http", headers=headers)

        assert (made.status, used.status, revoked.status, refused.status) == (201, 200, 204, 401)
        assert listed.json == [made.json["view"]]
        assert made.json["token"] not in listed.body.decode()
        assert (again.status, again.reason) == (404, "NoSuchThing")

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"[]",
            b"{",
            wanted(name=""),
            wanted(name="n" * (NAME_CHARACTERS_MAX + 1)),
            wanted(scopes=[]),
            wanted(scopes=["all"]),
            wanted(scopes="read"),
            wanted(valid_s=0),
            wanted(valid_s="60"),
            wanted(valid_s=1 << 60),
            wanted(admin=True),
        ],
    )
    async def test_what_is_no_wish_for_one_is_refused(self, tmp_path: Path, body: bytes) -> None:
        async with serve(TestBackend(), tmp_path) as served:
            answer = await served.post(TOKENS, body)
            listed = await served.get(TOKENS)

        assert (answer.status, answer.reason) == (422, "InvalidRequest")
        assert listed.json == []

    async def test_a_wish_has_a_limit(self, tmp_path: Path) -> None:
        async with serve(TestBackend(), tmp_path) as served:
            answer = await served.post(TOKENS, wanted(name="n" * 5000))

        assert (answer.status, answer.reason) == (413, "BodyTooLarge")


class TestReload:
    async def test_it_says_what_needs_a_restart(self, tmp_path: Path) -> None:
        backend = TestBackend()
        backend.reloads = ["network.listen"]
        async with serve(backend, tmp_path) as served:
            answer = await served.post("/v1/admin/reload")

        assert answer.json == {"needs_restart": ["network.listen"]}

    async def test_bad_settings_are_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        backend = TestBackend()

        async def fails() -> list[str]:
            raise ConfigError("config.toml: log.level: 'loud': expected info")

        monkeypatch.setattr(backend, "reload", fails)
        async with serve(backend, tmp_path) as served:
            answer = await served.post("/v1/admin/reload")

        assert (answer.status, answer.reason) == (409, "ConfigError")
        assert "log.level" in answer.json["detail"]
