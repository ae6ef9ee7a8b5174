from pathlib import Path

import pytest

from noded.api.tokens import Scope
from noded.codec import cbor
from tests.helpers.api import TCP, serve
from tests.helpers.backend import TestBackend
from tests.helpers.story import tell_story

READ = "/v1/status"


class TestCallers:
    async def test_who_has_no_token_sees_only_whether_the_node_lives(self, tmp_path: Path) -> None:
        async with serve(TestBackend(), tmp_path, listen=TCP) as served:
            answers = {
                path: await served.get(path, over="http")
                for path in ("/livez", "/readyz", "/openapi.json", READ, "/metrics", "/v1/events")
            }

        assert [answer.status for answer in answers.values()] == [200, 200, 200, 401, 401, 401]
        assert answers[READ].reason == "NotAuthenticated"
        assert answers[READ].headers["www-authenticate"].startswith("Bearer")

    @pytest.mark.parametrize(
        "header",
        [
            "Bearer",
            "Bearer x",
            "Bearer noded_0_0",
            "Basic YTpi",
            "",
            "Bearer \xff\xfe",
            "Bearer " + "a" * 8000,
        ],
    )
    async def test_a_token_that_is_none_opens_nothing(self, tmp_path: Path, header: str) -> None:
        async with serve(TestBackend(), tmp_path, listen=TCP) as served:
            answer = await served.get(READ, over="http", headers={"authorization": header})
            alive = await served.get("/livez", over="http", headers={"authorization": header})

        assert (answer.status, answer.reason) == (401, "NotAuthenticated")
        assert alive.status == 401

    async def test_a_scope_opens_what_it_is_for_and_no_more(self, tmp_path: Path) -> None:
        allowed = {
            Scope.READ: ("GET", READ),
            Scope.SUBMIT: ("POST", "/v1/txs"),
            Scope.METRICS: ("GET", "/metrics"),
            Scope.CUSTODY: ("GET", f"/v1/blobs/{'0' * 64}"),
        }
        async with serve(TestBackend(), tmp_path, listen=TCP) as served:
            for scope in Scope:
                token = served.token(scope)
                for other, (method, path) in allowed.items():
                    answer = await served.ask(method, path, b"", over="http", headers=token)
                    assert (answer.status == 403) == (scope is not other), (scope, path, answer)
                    if scope is not other:
                        assert answer.reason == "ScopeMissing"

    async def test_a_token_ends(self, tmp_path: Path) -> None:
        async with serve(TestBackend(), tmp_path, listen=TCP) as served:
            token = served.token(Scope.READ, valid_ms=1000)
            before = await served.get(READ, over="http", headers=token)
            served.clock[0] += 1000
            after = await served.get(READ, over="http", headers=token)

        assert (before.status, after.status) == (200, 401)

    async def test_the_operators_routes_are_not_there_over_tcp(self, tmp_path: Path) -> None:
        async with serve(TestBackend(), tmp_path, listen=TCP) as served:
            token = served.token(*Scope)
            answer = await served.get("/v1/admin/tokens", over="http", headers=token)
            local = await served.get("/v1/admin/tokens")

        assert (answer.status, answer.reason) == (404, "NoSuchRoute")
        assert local.status == 200

    async def test_the_nodes_own_socket_needs_no_token(self, tmp_path: Path) -> None:
        async with serve(tell_story(), tmp_path) as served:
            assert (await served.get(READ)).status == 200

    async def test_the_caller_is_judged_before_the_body_is_read(self, tmp_path: Path) -> None:
        """So nobody has the node read a body that they may not send."""
        async with serve(TestBackend(), tmp_path, listen=TCP) as served:
            head = {"content-type": "application/cbor", "content-length": "1000000"}
            async with await served.connect("http") as stream:
                lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
                await stream.send_all(f"POST /v1/txs HTTP/1.1\r\nhost: x\r\n{lines}\r\n".encode())
                answer = await stream.receive_some(1000)

        assert answer.startswith(b"HTTP/1.1 401 ")


class TestRates:
    async def test_a_client_that_asks_too_often_is_told_when_to_come_again(self, tmp_path: Path) -> None:
        async with serve(
            TestBackend(), tmp_path, listen=TCP, requests_per_s=0.001, requests_burst=3
        ) as served:
            token = served.token(Scope.READ)
            answers = [await served.get(READ, over="http", headers=token) for _ in range(5)]
            other = await served.get(READ, over="http", headers=served.token(Scope.READ))
            local = [await served.get(READ) for _ in range(5)]

        assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
        assert answers[-1].reason == "TooManyRequests"
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert other.status == 200
        assert {answer.status for answer in local} == {200}

    async def test_guessing_tokens_counts_for_the_address(self, tmp_path: Path) -> None:
        async with serve(
            TestBackend(), tmp_path, listen=TCP, requests_per_s=0.001, requests_burst=3
        ) as served:
            answers = [
                await served.get(READ, over="http", headers={"authorization": f"Bearer noded_{number}_x"})
                for number in range(5)
            ]
            known = await served.get(READ, over="http", headers=served.token(Scope.READ))

        assert [answer.status for answer in answers] == [401, 401, 401, 429, 429]
        assert known.status == 200

    async def test_new_limits_hold_at_once(self, tmp_path: Path) -> None:
        async with serve(
            TestBackend(), tmp_path, listen=TCP, requests_per_s=0.001, requests_burst=1
        ) as served:
            token = served.token(Scope.READ)
            first = await served.get(READ, over="http", headers=token)
            second = await served.get(READ, over="http", headers=token)
            served.api._rates.per_s = 1e9
            third = await served.get(READ, over="http", headers=token)

        assert [first.status, second.status, third.status] == [200, 429, 200]


class TestErrors:
    @pytest.mark.parametrize(
        ("method", "path", "status", "reason"),
        [
            ("GET", "/", 404, "NoSuchRoute"),
            ("GET", "/v2/status", 404, "NoSuchRoute"),
            ("GET", "/v1/status/", 404, "NoSuchRoute"),
            ("DELETE", "/v1/status", 405, "MethodNotAllowed"),
            ("GET", "/v1/txs", 405, "MethodNotAllowed"),
            ("BREW", "/v1/status", 405, "MethodNotAllowed"),
        ],
    )
    async def test_what_there_is_not_is_told_in_one_form(
        self, tmp_path: Path, method: str, path: str, status: int, reason: str
    ) -> None:
        async with serve(TestBackend(), tmp_path) as served:
            answer = await served.ask(method, path)

        assert (answer.status, answer.reason) == (status, reason)
        assert set(answer.json) >= {"type", "title", "status", "detail"}

    async def test_a_bug_is_told_without_details_and_logged(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        backend = TestBackend()

        def fails() -> object:
            raise RuntimeError("secret of the house")

        monkeypatch.setattr(backend, "status", fails)
        async with serve(backend, tmp_path) as served:
            answer = await served.get(READ)
            after = await served.get("/livez")

        assert (answer.status, answer.reason) == (500, "InternalFault")
        assert b"secret" not in answer.body
        assert after.status == 200

    async def test_every_answer_is_counted_by_route_never_by_path(self, tmp_path: Path) -> None:
        backend = TestBackend()
        async with serve(backend, tmp_path) as served:
            await served.get(f"/v1/records/{'0' * 32}")
            await served.get("/anything/at/all")
            await served.post("/v1/txs", cbor.encode([b"x"]), "application/cbor")
            await served.post("/v1/txs", b"", "text/plain")

        assert backend.requests == [
            ("/v1/records/{id}", 404),
            ("none", 404),
            ("/v1/txs", 200),
            ("/v1/txs", 415),
        ]


class TestHealth:
    async def test_readiness_names_what_is_missing(self, tmp_path: Path) -> None:
        backend = TestBackend()
        async with serve(backend, tmp_path) as served:
            ready = await served.get("/readyz")
            backend.ready = False
            unready = await served.get("/readyz")
            verbose = await served.get("/readyz?verbose")

        assert (ready.status, ready.body) == (200, b"ok\n")
        assert (unready.status, unready.reason) == (503, "NotReady")
        assert verbose.status == 503
        assert verbose.json == {
            "ready": False,
            "checks": [{"name": "in-sync", "ok": False, "detail": "as the test says"}],
        }

    async def test_figures_have_a_listener_of_their_own(self, tmp_path: Path) -> None:
        async with serve(TestBackend(), tmp_path, metrics_listen=TCP) as served:
            figures = await served.get("/metrics", over="http")
            status = await served.get(READ, over="http")
            alive = await served.get("/livez", over="http")

        assert figures.body == b"noded_height 1\n"
        assert figures.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert (status.status, alive.status) == (404, 200)

    async def test_status_and_peers_say_who_is_there(self, tmp_path: Path) -> None:
        async with serve(TestBackend(), tmp_path) as served:
            status = (await served.get(READ)).json
            peers = (await served.get("/v1/peers")).json

        assert status["chain_name"] == "test"
        assert status["legal_name"] == "Member 1"
        assert len(status["status"]["validators"]) == 4
        assert peers[0]["rtt_ms"] is None
        assert peers[0]["consensus"]["bytes_in"] == 1
