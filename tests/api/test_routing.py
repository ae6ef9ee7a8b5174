"""Requests reach the route that they name, with values that are as described."""

from pathlib import Path

import pytest
import trio

from tests.helpers.api import serve
from tests.helpers.backend import TestBackend

ID = "00" * 16


class TestPaths:
    @pytest.mark.parametrize(
        "path", ["/v1/patients/", f"/v1/patients/{ID}/", f"/v1//{ID}", "/v1", "//v1/status"]
    )
    async def test_no_part_is_left_out_or_added(self, tmp_path: Path, path: str) -> None:
        async with serve(TestBackend(), tmp_path) as served:
            answer = await served.get(path)

        assert (answer.status, answer.reason) == (404, "NoSuchRoute")

    async def test_a_fixed_part_comes_before_a_parameter(self, tmp_path: Path) -> None:
        async with serve(TestBackend(), tmp_path) as served:
            latest = await served.get("/v1/blocks/latest")
            other = await served.get("/v1/blocks/earliest")

        assert (latest.status, other.status, other.reason) == (200, 422, "InvalidRequest")

    async def test_another_method_is_told_which_there_are(self, tmp_path: Path) -> None:
        async with serve(TestBackend(), tmp_path) as served:
            answer = await served.ask("PUT", "/v1/admin/tokens")

        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, POST")

    @pytest.mark.parametrize("path", ["/v1/status", "/v1/events", "/v1/blocks/99", "/livez", "/nowhere"])
    async def test_a_head_is_as_with_get_and_its_body_stays_away(self, tmp_path: Path, path: str) -> None:
        """RFC 9110 §9.3.2; of a stream, too, there is an end."""
        rest = f" {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode()
        async with serve(TestBackend(), tmp_path) as served:
            with trio.fail_after(5):
                head, end, body = (await served.exchange(b"HEAD" + rest)).partition(b"\r\n\r\n")
            async with await served.connect() as stream:
                await stream.send_all(b"GET" + rest)
                whole = await stream.receive_some(65536)

        assert (whole.partition(b"\r\n\r\n")[0], end, body) == (head, b"\r\n\r\n", b"")

    @pytest.mark.parametrize(
        "target", ["http://x/v1/patients/a?limit=1", "HTTPS://x:1/v1/patients/a?limit=1"]
    )
    async def test_a_target_in_absolute_form_is_the_path_in_it(self, tmp_path: Path, target: str) -> None:
        """RFC 9112 §3.2.2."""
        async with serve(TestBackend(), tmp_path) as served:
            answer = await served.get(target)

        assert (answer.status, answer.reason) == (422, "InvalidRequest")
        assert answer.json["detail"].startswith("query.limit: there is no such parameter here")


class TestParameters:
    async def test_each_mistake_is_named(self, tmp_path: Path) -> None:
        async with serve(TestBackend(), tmp_path) as served:
            answer = await served.get("/v1/patients/x/records?limit=0&after=y")

        assert (answer.status, answer.reason) == (422, "InvalidRequest")
        assert [each["where"] for each in answer.json["errors"]] == ["path.id", "query.after", "query.limit"]
        assert answer.json["errors"][2]["why"] == "Input should be greater than or equal to 1"

    @pytest.mark.parametrize(
        ("path", "known"),
        [
            ("/v1/blocks?cursor=00", "after"),
            ("/v1/events?from=5", "start"),
            ("/v1/status?full", "none"),
        ],
    )
    async def test_one_that_is_not_described_is_refused(self, tmp_path: Path, path: str, known: str) -> None:
        """W8."""
        async with serve(TestBackend(), tmp_path) as served:
            answer = await served.get(path)

        assert (answer.status, answer.reason) == (422, "InvalidRequest")
        given = path.partition("?")[2].partition("=")[0]
        assert answer.json["detail"].startswith(f"query.{given}: there is no such parameter here; known are ")
        assert known in answer.json["detail"]

    @pytest.mark.parametrize(
        "path",
        ["/v1/blocks/1_0", "/v1/blocks/1.0", "/v1/blocks/+1", "/v1/blocks?limit=1_0", "/v1/events?start=1.0"],
    )
    async def test_a_number_is_in_digits(self, tmp_path: Path, path: str) -> None:
        async with serve(TestBackend(), tmp_path) as served:
            answer = await served.get(path)

        assert (answer.status, answer.reason) == (422, "InvalidRequest")
        assert "it is no whole number in digits" in answer.json["detail"]

    async def test_headers_that_a_route_heeds_are_described(self, tmp_path: Path) -> None:
        async with serve(TestBackend(), tmp_path) as served:
            paths = (await served.get("/openapi.json")).json["paths"]

        for path, header in (
            ("/v1/events", "Last-Event-ID"),
            ("/v1/blobs/{hash}", "Range"),
            ("/v1/custody/records/{id}/versions/{version}/content", "Range"),
        ):
            found = [each["name"] for each in paths[path]["get"]["parameters"] if each["in"] == "header"]
            assert found == [header, "noded-at-least"]

    @pytest.mark.parametrize("path", ["/v1/blocks?limit=1&limit=2", "/v1/blocks?limit=x&limit=2"])
    async def test_one_that_is_given_twice_is_refused(self, tmp_path: Path, path: str) -> None:
        """W8: only one of them would have an effect."""
        async with serve(TestBackend(), tmp_path) as served:
            answer = await served.get(path)

        assert (answer.status, answer.json["detail"]) == (422, "query.limit: it is given 2 times")

    async def test_probes_may_have_any(self, tmp_path: Path) -> None:
        async with serve(TestBackend(), tmp_path) as served:
            assert (await served.get("/livez?time=5")).status == 200

    async def test_what_is_left_out_has_its_default(self, tmp_path: Path) -> None:
        async with serve(TestBackend(), tmp_path) as served:
            answer = await served.get(f"/v1/patients/{ID}/records")

        assert (answer.status, answer.json["items"], answer.json["next"]) == (200, [], None)
