"""W7: what one node called final at a height is in what another says that is asked for that height."""

from pathlib import Path

import pytest
import trio
import trio.testing

from noded.api import catching_up
from noded.api.tokens import Scope
from noded.client.answers import AT_LEAST_HEADER
from tests.helpers.api import TCP, serve
from tests.helpers.backend import TestBackend

HEIGHT = "/v1/blocks/latest"


def at_least(height: object) -> dict[str, str]:
    return {AT_LEAST_HEADER: str(height)}


class TestCatchUp:
    """W7: an answer waits for the height that the request names."""

    async def test_a_block_that_is_there_is_not_waited_for(self, tmp_path: Path) -> None:
        backend = TestBackend()
        backend.commit()
        async with serve(backend, tmp_path) as served:
            answers = [await served.get(HEIGHT, headers=at_least(height)) for height in (0, 1)]

        assert [answer.status for answer in answers] == [200, 200]

    async def test_a_block_to_come_is_waited_for_and_in_the_answer(self, tmp_path: Path) -> None:
        backend = TestBackend()
        async with serve(backend, tmp_path) as served, trio.open_nursery() as nursery:
            ended = []

            async def ask() -> None:
                ended.append(await served.get(HEIGHT, headers=at_least(2)))

            nursery.start_soon(ask)
            for _ in range(2):
                await trio.testing.wait_all_tasks_blocked(0.05)
                assert ended == []
                backend.commit()

        assert ended[0].status == 200
        assert ended[0].json["header"]["height"] == 2

    async def test_a_block_that_does_not_come_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(catching_up, "WAIT_S", 0.05)
        async with serve(TestBackend(), tmp_path) as served:
            answer = await served.get(HEIGHT, headers=at_least(7))

        assert (answer.status, answer.reason) == (412, "Behind")
        assert "at height 0" in answer.json["detail"]
        assert "at 7 or later" in answer.json["detail"]

    @pytest.mark.parametrize("asked", ["", "-1", "x", "1e3", "9" * 16, "\xb2"])
    async def test_what_is_no_height_is_refused(self, tmp_path: Path, asked: str) -> None:
        async with serve(TestBackend(), tmp_path) as served:
            answer = await served.get(HEIGHT, headers=at_least(asked))

        assert (answer.status, answer.reason) == (422, "InvalidRequest")

    async def test_nobody_waits_for_a_stranger(self, tmp_path: Path) -> None:
        async with serve(TestBackend(), tmp_path, listen=TCP) as served:
            with trio.fail_after(catching_up.WAIT_S / 2):
                alive = await served.get("/livez", over="http", headers=at_least(7))
                refused = await served.get(HEIGHT, over="http", headers=at_least(7))
            token = served.token(Scope.READ)
            known = await served.get(HEIGHT, over="http", headers={**token, **at_least(0)})

        assert [answer.status for answer in (alive, refused, known)] == [200, 401, 200]
