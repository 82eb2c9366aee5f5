"""The examples that serve, as users run them."""

import json
import signal
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from support import DEADLINE, need
from test_examples import EXAMPLES, Process


@pytest.fixture
def start() -> Iterator[Any]:
    with ExitStack() as stack:

        def start(name: str, *arguments: str) -> Process:
            process = Process(str(EXAMPLES / name), *arguments)
            stack.callback(process.kill)
            return process

        yield start


def line(process: Process, beginning: str) -> str:
    """The rest of the next line that begins so."""
    while True:
        text = process.lines.get(timeout=DEADLINE)
        if text.startswith(beginning):
            return text.removeprefix(beginning)


def get(url: str, data: bytes | None = None) -> bytes:
    with urllib.request.urlopen(url, data, timeout=DEADLINE) as response:
        body: bytes = response.read()
        return body


def until(url: str, condition: Any) -> Any:
    """What the url brings, once it is so."""
    value: Any = None
    for _ in range(2000):
        value = json.loads(get(url))
        if condition(value):
            return value
    raise AssertionError(value)


def test_every_key_has_one_owner_whoever_is_asked(start: Any) -> None:
    ada = start("aio_service.py", "ada")
    seed = line(ada, "at ")
    others = [start("aio_service.py", name, seed) for name in ("bob", "eve")]
    services = [ada, *others]
    for service, own in zip(services, ("ada", "bob", "eve"), strict=True):
        missing = {"bob", "eve", "ada"} - ({own} if service is ada else set())
        while missing:
            missing.discard(line(service, "+ "))

    owners = set()
    for key in ("apple", "pear", "plum", "fig", "lime", "kiwi", "date", "nut"):
        answers = []
        for service in services:
            service.tell(key)
            answers.append(line(service, f"{key}: "))
        owner = answers[0].split()[0]
        assert answers == [f"{owner} was asked {count} times" for count in (1, 2, 3)]
        owners.add(owner)
    assert len(owners) > 1

    for name, other in zip(("bob", "eve"), others, strict=True):
        assert other.end() == 0
        assert line(ada, "- ") == f"{name} left"
    ada.tell("apple")
    assert line(ada, "apple: ").startswith("ada was asked")
    assert ada.end() == 0


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_http_of_the_standard_library(start: Any, ending: signal.Signals) -> None:
    one = start("http_service.py", "one")
    url = line(one, "http://")
    two = start("http_service.py", "two", url)
    other = line(two, "http://")

    members = until(f"http://{url}/", lambda members: len(members) == 2)
    assert members == [{"name": "one", "address": url}, {"name": "two", "address": other}]
    assert b"memberlist" in get(f"http://{url}/metrics")
    two.process.send_signal(ending)
    assert two.process.wait(DEADLINE) == 0
    until(f"http://{url}/", lambda members: len(members) == 1)


def test_a_web_application(start: Any) -> None:
    for package in ("uvicorn", "starlette"):
        need(package)
    one = start("web_app.py", "one")
    url = line(one, "http://")
    two = start("web_app.py", "two", url)
    other = line(two, "http://")

    members = until(f"http://{url}/members", lambda members: len(members) == 2)
    assert members[1] == {"name": "two", "address": other, "state": "alive", "meta": "role=web"}
    assert get(f"http://{url}/broadcast", b"hello, everyone") == b"on its way\n"
    assert "hello, everyone" in until(f"http://{other}/messages", lambda messages: messages)
    with pytest.raises(urllib.request.HTTPError, match="413"):
        get(f"http://{url}/broadcast", bytes(100_000))
    assert b"memberlist" in get(f"http://{other}/metrics")
    two.process.send_signal(signal.SIGTERM)
    assert two.process.wait(DEADLINE) == 0
    until(f"http://{url}/members", lambda members: len(members) == 1)
