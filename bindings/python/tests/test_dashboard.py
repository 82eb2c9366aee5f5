"""The agent's HTTP: what it answers, to whom, and what hostile clients get."""

import base64
import json
import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
from cli import Served, ask, drain, get, serving
from conftest import MakeNode
from support import DEADLINE, eventually, pool_config

import gossip
from gossip._dashboard import Access
from gossip._dashboard._app import _dump
from gossip._dashboard._http import HttpError, Request, _parse
from gossip._dashboard._view import describe

TOKEN = "a-token-of-some-length"
BASIC = base64.b64encode(f"anyone:{TOKEN}".encode()).decode()


@pytest.fixture
def served(node: gossip.Gossip) -> Iterator[Served]:
    with serving(node) as served:
        add_pool(served)
        yield served


def add_pool(served: Served, **changes: Any) -> gossip.Pool:
    """Registers pool 1 so that it is shown."""
    pool: gossip.Pool = served.call(lambda: served.view.register_pool(pool_config(**changes)))
    return pool


def has_tasks(served: Served, count: int) -> bool:
    return bool(served.call(lambda: len(served.server._tasks)) == count)


def status(answer: bytes) -> int:
    assert answer.startswith(b"HTTP/1.1 "), answer
    return int(answer.split()[1])


@pytest.mark.parametrize("path", ["/", "/dashboard.css", "/dashboard.js", "/cluster.js", "/numbers.js", "/icon.svg"])
def test_pages_come_with_headers_that_shut_others_out(served: Served, path: str) -> None:
    code, headers, body = get(served.address, path)

    assert code == 200 and body
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in headers
    assert b"http://" not in body.replace(b"http://www.w3.org/2000/svg", b"") and b"https://" not in body
    assert get(served.address, path, method="HEAD") == (200, headers, b"")


def test_members_metrics_and_health(served: Served) -> None:
    code, headers, body = get(served.address, "/members.json")
    assert (code, headers["content-type"], headers["cache-control"]) == (200, "application/json", "no-store")
    snapshot = json.loads(body)
    assert snapshot["node"] == {
        "name": "a", "addresses": ["{}:{}".format(*served.address)], "advertise": "{}:{}".format(*served.address),
    }  # fmt: skip
    [pool] = snapshot["pools"]
    assert (pool["id"], pool["self"], pool["encrypted"], pool["health_score"]) == (1, "a", False, 0)
    assert [(member["name"], member["state"]) for member in pool["members"]] == [("a", "alive")]
    assert pool["stats"]["members_alive"] == 1 and "connections_accepted" in snapshot["port"]

    code, headers, body = get(served.address, "/metrics")
    assert (code, headers["content-type"], body) == (200, "text/plain; version=0.0.4; charset=utf-8", b"x 1\n")
    assert get(served.address, "/healthz?verbose=1")[::2] == (200, b"ok\n")


@pytest.mark.parametrize(
    ("request_bytes", "code"),
    [
        (b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"GET /_app.py HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 405),
        (b"DELETE /members.json HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"GET /control/leave HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"hello there\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nbad header: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n folded: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nNull: \0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"POST /control/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\nCookie: " + b"a" * 20000 + b"\r\n\r\n", 431),
    ],
)
def test_what_cannot_be_answered_gets_its_status(served: Served, request_bytes: bytes, code: int) -> None:
    answer = ask(served.address, request_bytes)

    assert status(answer) == code, answer
    if code == 405:
        assert b"\r\nAllow: " in answer
    assert get(served.address, "/healthz")[0] == 200


def test_any_bytes_are_a_request_or_refused() -> None:
    dice = random.Random(7)
    whole = b"GET /a.json?x=%41 HTTP/1.1\r\nHost: [::1]:7946\r\nContent-Length: 5\r\nAuthorization: Basic eDp5"
    odd = [b"\r", b"\n", b"\0", b":", b" ", b"\xff", b"HTTP/1.1", b"\r\n", b"%", b"\t"]
    parsed = 0
    for _ in range(5000):
        text = bytearray(whole)
        for _ in range(dice.randrange(4)):
            start = dice.randrange(len(text) + 1)
            text[start : start + dice.randrange(4)] = dice.choice([*odd, dice.randbytes(2)])
        try:
            method, path, headers = _parse(bytes(text) + b"\r\n\r\n")
        except HttpError as error:
            assert error.status in (400, 505)
        else:
            parsed += 1
            assert method.isupper() and path.startswith("/") and "host" in headers
            assert not any(c in value for value in headers.values() for c in "\r\n\0")
    assert 500 < parsed < 4500


def test_a_request_that_fails_says_so_and_goes_to_the_log(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    def fails() -> str:
        raise gossip.ClosedError("gone")

    served.app._metrics = fails
    assert get(served.address, "/metrics")[::2] == (500, b"this failed; the agent's log says why\n")
    assert "a request failed" in caplog.text and "ClosedError: gone" in caplog.text
    assert get(served.address, "/healthz")[0] == 200


def test_an_answer_reaches_a_client_that_is_still_sending(served: Served) -> None:
    assert status(ask(served.address, b"GET /" + b"a" * 1_000_000)) == 431


def test_slow_clients_are_cut_off(node: gossip.Gossip) -> None:
    with serving(node, read_timeout=0.3, write_timeout=0.3) as served:
        add_pool(served)
        with socket.create_connection(served.address, timeout=DEADLINE) as slow:
            slow.sendall(b"GET / HTTP/1.1\r\n")
            assert status(drain(slow)) == 408
        # One that asks, and never reads. What it is sent must be more than the system's buffers take.
        pages = {"/": (b"x" * 64_000_000, "text/plain")}
        served.call(lambda: served.app._pages.update(pages))
        with socket.create_connection(served.address, timeout=DEADLINE) as deaf:
            deaf.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            eventually(lambda: served.call(lambda: len(served.server._tasks)) == 1, "it is being served")
            eventually(lambda: served.call(lambda: len(served.server._tasks)) == 0, "it is cut off")
        assert get(served.address, "/healthz")[0] == 200


def test_connections_are_bounded_in_all_and_for_one_address(node: gossip.Gossip) -> None:
    with serving(node, connections=4, per_source=3) as served, ExitStack() as stack:
        for count in range(1, 4):
            waiting = stack.enter_context(socket.create_connection(served.address, timeout=DEADLINE))
            waiting.sendall(b"GET")
            eventually(partial(has_tasks, served, count), "accepted")
        answer = ask(served.address, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert status(answer) == 503 and b"Retry-After" in answer
        assert served.server.refused == 1
        stack.close()
        eventually(lambda: served.call(lambda: len(served.server._tasks)) == 0, "all are gone")
        assert get(served.address, "/healthz")[0] == 200


def test_abandoned_and_broken_clients_leave_nothing_behind(served: Served) -> None:
    for request in (b"", b"GET / HT", b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01"):
        for _ in range(5):
            with socket.create_connection(served.address, timeout=DEADLINE) as connection:
                connection.sendall(request)

    def left() -> tuple[int, ...]:
        server, view = served.server, served.view
        return len(server._tasks), len(server._sources), len(view._subscribers)

    eventually(lambda: served.node.stats().connections_accepted >= 20, "all were accepted")
    eventually(lambda: served.call(left) == (0, 0, 0), "all are gone")


class Stream:
    """A client that follows the events."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.connection = socket.create_connection(address, timeout=DEADLINE)
        self.connection.sendall(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        self.file = self.connection.makefile("rb")
        assert b" 200 " in self.file.readline()
        while self.file.readline() != b"\r\n":
            pass

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()
        self.connection.close()

    def wait_for(self, kind: str, matches: Callable[[Any], object] = lambda event: True) -> Any:
        while line := self.file.readline():
            if line == f"event: {kind}\n".encode():
                event = json.loads(self.file.readline().removeprefix(b"data: "))
                if matches(event):
                    return event
        raise AssertionError(f"the stream ended without {kind}")


def test_events_begin_with_a_snapshot_and_tell_what_happens(served: Served, make_node: MakeNode) -> None:
    with Stream(served.address) as stream:
        assert stream.wait_for("snapshot")["node"]["name"] == "a"
        other = make_node("b")
        pool = other.register_pool(pool_config(meta=b"role=web"))
        pool.join([served.address], timeout=DEADLINE)
        joined = stream.wait_for("join", lambda event: event["name"] == "b")
        assert (joined["pool"], joined["state"], joined["meta"]) == (1, "alive", "role=web")
        assert joined["endpoint"] == "{}:{}".format(*other.address)
        assert stream.wait_for("ping")["rtt_ms"] > 0
        pool.send(served.address, b"a secret \xff\x1b[31m" + b"x" * 400, reliable=True, timeout=DEADLINE)
        message = stream.wait_for("message")
        assert message["size"] == 415 and message["text"].startswith("a secret \\xff\x1b[31m")
        assert "1" in stream.wait_for("numbers")["pools"]
        pool.update_node(b"role=db")
        assert stream.wait_for("update")["meta"] == "role=db"
        other.leave(DEADLINE)
        assert stream.wait_for("leave")["state"] == "left"
    snapshot = json.loads(get(served.address, "/members.json")[2])
    assert [member["name"] for member in snapshot["pools"][0]["gone"]] == ["b"]
    assert [event["event"] for event in snapshot["events"]][-1] == "leave"


def test_a_crash_is_told_as_suspicion_and_failure(served: Served, make_node: MakeNode) -> None:
    with Stream(served.address) as stream:
        other = make_node("b")
        other.register_pool(pool_config()).join([served.address], timeout=DEADLINE)
        stream.wait_for("join", lambda event: event["name"] == "b")
        other.shutdown()
        assert stream.wait_for("suspect")["name"] == "b"
        assert stream.wait_for("fail")["state"] == "dead"


def test_a_follower_that_does_not_read_is_cut_off_and_does_not_grow(served: Served) -> None:
    with Stream(served.address) as stream:
        stream.wait_for("snapshot")
        def publish() -> None:
            for _ in range(100):
                served.view.publish("log", text="x" * 10_000)

        deadline = time.monotonic() + DEADLINE
        while not served.call(lambda: any(one.lost for one in served.view._subscribers)):
            served.call(publish)
            assert time.monotonic() < deadline
    eventually(lambda: served.call(lambda: len(served.view._subscribers)) == 0, "it is gone")
    assert served.view.lost_subscribers == 1
    assert len(json.loads(get(served.address, "/members.json")[2])["events"]) == 100


def test_followers_are_bounded(served: Served) -> None:
    from gossip._dashboard import _app

    with pytest.MonkeyPatch.context() as patch, Stream(served.address) as first:
        first.wait_for("snapshot")
        patch.setattr(_app, "SUBSCRIBERS", 1)
        answer = ask(served.address, b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        assert status(answer) == 503 and b"Retry-After" in answer


def request(peer: str = "127.0.0.1", host: str = "127.0.0.1:7946", authorization: str = "") -> Request:
    headers = {"host": host, **({"authorization": authorization} if authorization else {})}
    return Request("GET", "/", headers, b"", peer)


@pytest.mark.parametrize(
    ("read", "request_", "code"),
    [
        ("open", request("203.0.113.5", "evil.example"), None),
        ("local", request(), None),
        ("local", request("::1", "[::1]:7946"), None),
        ("local", request("::ffff:127.0.0.1", "localhost:7946"), None),
        ("local", request("203.0.113.5"), 403),
        ("local", request("::ffff:203.0.113.5"), 403),
        ("local", request("203.0.113.5", authorization=f"Bearer {TOKEN}"), None),
        ("local", request(host="evil.example:7946"), 421),
        ("local", request(host="localhost.evil.example"), 421),
        ("local", request(host=""), 421),
        ("token", request(), 401),
        ("token", request(authorization=f"Bearer {TOKEN}x"), 401),
        ("token", request(authorization="Basic !!!"), 401),
        ("token", request(authorization=f"Bearer {TOKEN}"), None),
        ("token", request(authorization=f"Basic {BASIC}"), None),
    ],
)
def test_who_may_read(read: str, request_: Request, code: int | None) -> None:
    access = Access(read, TOKEN)
    if code is None:
        access.check_read(request_)
    else:
        with pytest.raises(HttpError) as caught:
            access.check_read(request_)
        assert caught.value.status == code


@pytest.mark.parametrize(
    ("access", "authorization", "code"),
    [
        (Access("open", None), "", 403),
        (Access("open", None), "Bearer ", 403),
        (Access("open", TOKEN), "", 401),
        (Access("open", TOKEN), "Bearer wrong", 401),
        # Browsers send Basic by themselves, whichever page asks.
        (Access("open", TOKEN), f"Basic {BASIC}", 401),
        (Access("open", TOKEN), f"Bearer {TOKEN}", 200),
        (Access(trusted=True), "", 200),
    ],
)
def test_who_may_command(node: gossip.Gossip, access: Access, authorization: str, code: int) -> None:
    with serving(node, access) as served:
        fields = ["Content-Length: 0", *([f"Authorization: {authorization}"] if authorization else [])]
        assert get(served.address, "/control/leave", *fields, method="POST")[0] == code
        assert served.commands == ([("leave", {})] if code == 200 else [])


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"\xff", b"[" * 60000])
def test_a_command_that_is_no_json_object_is_refused(node: gossip.Gossip, body: bytes) -> None:
    with serving(node, Access(trusted=True)) as served:
        head = f"POST /control/send HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        assert status(ask(served.address, head + body)) == 400
        assert served.commands == []


def test_names_and_metadata_that_are_no_text_come_through(served: Served, make_node: MakeNode) -> None:
    name = "</script>\x1b\u202e"
    other = make_node(name)
    other.register_pool(pool_config(meta=b"\xfe\x00<b>")).join([served.address], timeout=DEADLINE)
    eventually(lambda: name in served.node.pool(1))

    body = get(served.address, "/members.json")[2]

    assert body.isascii()
    # Names of others may be any bytes; the same JSON gives them back.
    odd = gossip.Member(name="\udcff", host="::1", port=1, state=gossip.MemberState.ALIVE, meta=b"")
    assert json.loads(_dump(describe(odd)))["name"] == "\udcff"
    member = next(one for one in json.loads(body)["pools"][0]["members"] if one["name"] == name)
    assert member["meta"] == "\\xfe\x00<b>" and base64.b64decode(member["meta_base64"]) == b"\xfe\x00<b>"
