from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noded.client.wire import HEAD_BYTES_MAX, LINE_BYTES_MAX, AnswerReader, NotHttp, request_bytes


def read(*parts: bytes) -> tuple[AnswerReader, bytes]:
    reader = AnswerReader()
    return reader, b"".join(reader.feed(part) for part in parts)


class TestRequests:
    def test_a_get_has_no_body(self) -> None:
        assert request_bytes("GET", "/x?a=b", {"accept": "y"}, None) == (
            b"GET /x?a=b HTTP/1.1\r\nhost: node\r\naccept: y\r\n\r\n"
        )

    def test_a_body_has_its_length(self) -> None:
        assert request_bytes("POST", "/x", {}, b"abc").endswith(b"content-length: 3\r\n\r\nabc")
        assert request_bytes("POST", "/x", {}, None).endswith(b"content-length: 0\r\n\r\n")


LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Y: z \r\n\r\nhello"
CHUNKED = b"HTTP/1.1 404 \r\ntransfer-encoding: chunked\r\n\r\n4\r\nhell\r\n1;ext=1\r\no\r\n0\r\n\r\n"


class TestAnswers:
    @pytest.mark.parametrize(("answer", "status"), [(LENGTH, 200), (CHUNKED, 404)])
    def test_an_answer_is_read_whole(self, answer: bytes, status: int) -> None:
        reader, body = read(answer)

        assert (reader.status, body, reader.is_complete, reader.is_last) == (status, b"hello", True, False)

    @given(st.sampled_from([LENGTH, CHUNKED]), st.data())
    def test_however_it_is_cut(self, answer: bytes, data: st.DataObject) -> None:
        cuts = sorted(data.draw(st.lists(st.integers(1, len(answer) - 1), max_size=20, unique=True)))
        parts = [answer[start:end] for start, end in zip([0, *cuts], [*cuts, len(answer)], strict=True)]

        reader, body = read(*parts)

        assert body == b"hello"
        assert reader.is_complete

    def test_headers_are_named_in_lower_case(self) -> None:
        reader, _ = read(LENGTH)

        assert reader.headers == {"content-length": "5", "x-y": "z"}

    def test_without_a_length_the_connection_tells_the_end(self) -> None:
        reader, body = read(b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo")
        assert (body, reader.is_complete) == (b"hello", False)
        reader.feed(b"")
        assert (reader.is_complete, reader.is_last) == (True, True)

    def test_an_interim_answer_is_passed_over(self) -> None:
        reader, body = read(b"HTTP/1.1 100 Continue\r\n\r\n" + LENGTH)

        assert (reader.status, body) == (200, b"hello")

    def test_no_content_needs_no_length(self) -> None:
        reader, body = read(b"HTTP/1.1 204 No Content\r\n\r\n")

        assert (reader.status, body, reader.is_complete) == (204, b"", True)

    def test_the_node_may_end_the_connection(self) -> None:
        reader, _ = read(b"HTTP/1.1 400 \r\ncontent-length: 0\r\nconnection: close\r\n\r\n")

        assert reader.is_last

    @pytest.mark.parametrize(
        "parts",
        [
            (b"",),
            (b"SSH-2.0-OpenSSH\r\n\r\n",),
            (b"HTTP/1.1 abc\r\n\r\n",),
            (b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n",),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell", b""),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhell\r\n", b""),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"1" * (LINE_BYTES_MAX + 1),),
            (b"HTTP/1.1 200 OK\r\na: " + b"b" * HEAD_BYTES_MAX,),
        ],
    )
    def test_what_is_no_answer_is_refused(self, parts: tuple[bytes, ...]) -> None:
        with pytest.raises(NotHttp):
            read(*parts)

    @given(st.binary(max_size=300))
    def test_nothing_else_goes_wrong(self, data: bytes) -> None:
        with suppress(NotHttp):
            read(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + data)
