import json
from collections.abc import Callable
from pathlib import Path

import pytest

from noded.api.tokens import (
    NAME_CHARACTERS_MAX,
    TOKENS_MAX,
    Scope,
    Tokens,
    TokensDamaged,
    TooManyTokens,
)
from noded.keys.errors import FileExposed
from noded.keys.files import SECRET_FILE_BYTES_MAX


class Clock:
    def __init__(self) -> None:
        self.now_ms = 1_700_000_000_000

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens.json"


@pytest.fixture
def tokens(path: Path, clock: Clock) -> Tokens:
    return Tokens(path, clock_ms=clock)


class TestFinding:
    def test_a_token_is_known_by_its_secret(self, tokens: Tokens) -> None:
        token, text = tokens.create("bench", [Scope.READ, Scope.SUBMIT], valid_ms=1000)

        assert tokens.find(text) == token
        assert token.scopes == (Scope.READ, Scope.SUBMIT)

    def test_it_ends_at_its_time(self, tokens: Tokens, clock: Clock) -> None:
        _, text = tokens.create("bench", [Scope.READ], valid_ms=1000)

        clock.now_ms += 999
        assert tokens.find(text) is not None
        clock.now_ms += 1
        assert tokens.find(text) is None

    def test_a_revoked_one_is_unknown(self, tokens: Tokens, path: Path, clock: Clock) -> None:
        token, text = tokens.create("bench", [Scope.READ], valid_ms=1000)

        assert tokens.revoke(token.id)
        assert not tokens.revoke(token.id)
        assert tokens.find(text) is None
        assert Tokens(path, clock_ms=clock).find(text) is None

    @pytest.mark.parametrize(
        "change",
        [
            lambda text: "",
            lambda text: text[:-1],
            lambda text: text + "A",
            lambda text: "other" + text[5:],
            lambda text: text.replace("_", "-"),
            lambda text: "_".join(text.split("_")[:2]) + "_é",
            lambda text: "noded_" + "0" * 16 + "_" + text.split("_", 2)[2],
        ],
    )
    def test_anything_else_is_unknown(self, tokens: Tokens, change: Callable[[str], str]) -> None:
        _, text = tokens.create("bench", [Scope.READ], valid_ms=1000)

        assert tokens.find(change(text)) is None


class TestFile:
    def test_tokens_are_there_after_a_restart(self, tokens: Tokens, path: Path, clock: Clock) -> None:
        token, text = tokens.create("bench", [Scope.READ], valid_ms=1000)

        assert Tokens(path, clock_ms=clock).find(text) == token

    def test_nothing_in_it_opens_anything(self, tokens: Tokens, path: Path) -> None:
        _, text = tokens.create("bench", [Scope.READ], valid_ms=1000)

        assert text.split("_", 2)[2] not in path.read_text()
        assert path.stat().st_mode & 0o077 == 0

    def test_neither_has_a_tokens_representation(self, tokens: Tokens) -> None:
        token, _ = tokens.create("bench", [Scope.READ], valid_ms=1000)

        assert token.digest not in repr(token)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "[]",
            "{}",
            '{"version": 2, "tokens": []}',
            '{"version": 1, "tokens": [{}]}',
            '{"version": 1, "tokens": [{"id": "a", "name": "b", "scopes": ["all"], "created_ms": 1,'
            ' "expires_ms": 2, "sha256": "c"}]}',
        ],
    )
    def test_a_damaged_one_is_named(self, path: Path, clock: Clock, text: str) -> None:
        path.write_text(text)
        path.chmod(0o600)

        with pytest.raises(TokensDamaged, match=r"tokens\.json"):
            Tokens(path, clock_ms=clock)

    def test_one_that_others_can_read_is_not_used(self, path: Path, clock: Clock) -> None:
        path.write_text('{"version": 1, "tokens": []}')
        path.chmod(0o644)

        with pytest.raises(FileExposed):
            Tokens(path, clock_ms=clock)

    def test_as_many_as_there_may_be_fit_it(self, path: Path, clock: Clock) -> None:
        """A file of secrets is read up to a limit, so more tokens could be written than read."""
        tokens = Tokens(path, clock_ms=clock)
        name = "\U0001f3e5" * NAME_CHARACTERS_MAX
        token, _ = tokens.create(name, list(Scope), valid_ms=1000)
        (document,) = json.loads(path.read_text())["tokens"]
        size = len(json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()) + 1

        assert TOKENS_MAX * size + 32 <= SECRET_FILE_BYTES_MAX
        assert Tokens(path, clock_ms=clock).all() == [token]


class TestLimit:
    def test_there_is_an_end_to_tokens(
        self, tokens: Tokens, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("noded.api.tokens.TOKENS_MAX", 2)
        tokens.create("a", [Scope.READ], valid_ms=1000)
        tokens.create("b", [Scope.READ], valid_ms=500)

        with pytest.raises(TooManyTokens):
            tokens.create("c", [Scope.READ], valid_ms=1000)
        clock.now_ms += 500
        tokens.create("c", [Scope.READ], valid_ms=1000)
        assert [token.name for token in tokens.all()] == ["a", "c"]
