"""Values, errors and addresses, without a node."""

import dataclasses
import inspect
import pickle
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest

import gossip
from gossip import Member, MemberState
from gossip._address import seconds, split
from gossip._record import record


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1:80", ("10.0.0.1", 80)),
        ("10.0.0.1", ("10.0.0.1", 7946)),
        ("[::1]:80", ("::1", 80)),
        ("[::1]", ("::1", 7946)),
        ("::1", ("::1", 7946)),
        (("example.org", 80), ("example.org", 80)),
    ],
)
def test_an_endpoint_is_split(text: str, expected: tuple[str, int]) -> None:
    assert split(text) == expected


@pytest.mark.parametrize("text", ["", ":80", "host:", "host:port", "host:0", "host:65536", "host:-1"])
def test_an_endpoint_without_host_or_port_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        split(text)


def test_seconds_are_numbers_or_timedelta() -> None:
    assert seconds(timedelta(milliseconds=1500)) == 1.5
    assert seconds(2) == 2.0
    for wrong in (-1, float("nan"), timedelta(seconds=-1)):
        with pytest.raises(ValueError):
            seconds(wrong)
    with pytest.raises(TypeError):
        seconds("1")  # type: ignore[arg-type]


def test_a_member_is_a_frozen_value() -> None:
    member = Member(name="a", host="10.0.0.1", port=7946)

    assert member.address == ("10.0.0.1", 7946)
    assert member.endpoint == "10.0.0.1:7946"
    assert dataclasses.replace(member, host="::1").endpoint == "[::1]:7946"
    assert {member: 1}[pickle.loads(pickle.dumps(member))] == 1
    assert str(MemberState.SUSPECT) == "suspect"
    with pytest.raises(dataclasses.FrozenInstanceError):
        member.name = "b"  # type: ignore[misc]


def test_a_record_is_what_dataclasses_make() -> None:
    class Point:
        """Somewhere."""

        x: int
        y: int = 2
        secret: str = ""

        @property
        def sum(self) -> int:
            return self.x + self.y

    ours: Any = record(hidden="secret")(Point)
    Point.secret = dataclasses.field(default="", repr=False)
    theirs: Any = dataclasses.dataclass(frozen=True, slots=True, kw_only=True)(Point)

    assert inspect.signature(ours) == inspect.signature(theirs)
    assert set(dir(ours)) == set(dir(theirs))
    assert ours.__slots__ == theirs.__slots__
    assert [(field.name, field.default, field.repr) for field in dataclasses.fields(ours)] == [
        (field.name, field.default, field.repr) for field in dataclasses.fields(theirs)
    ]
    one, same, other = ours(x=1), ours(x=1, y=2), ours(x=2)
    assert one == same != other and hash(one) == hash(same) and one.sum == 3 and one != theirs(x=1)
    assert repr(one).endswith("Point(x=1, y=2)")
    with pytest.raises(TypeError, match=r"Point.__init__\(\) missing 1 required keyword-only argument: 'x'"):
        ours()
    with pytest.raises(dataclasses.FrozenInstanceError):
        del one.x


@pytest.mark.parametrize(
    "first",
    [
        "assert dataclasses.is_dataclass(gossip.Member)",
        "assert [field.name for field in dataclasses.fields(gossip.QueueStats)][0] == 'accepted'",
        "assert gossip.QueueStats.__match_args__[0] == 'accepted'",
        "assert 'leave_timeout' in inspect.signature(gossip.Config).parameters",
        "assert {pickle.loads(given): 1}[gossip.Member(name='a', host='::1', port=1)]",
        "assert repr(pickle.loads(given)).startswith('Member(name=')",
        "assert gossip.Member._from_core(('a', '::1', 1, 0, b'', 0, (0,) * 3, (0,) * 3)) == pickle.loads(given)",
        "assert copy.copy(pickle.loads(given)) == pickle.loads(given)",
    ],
)
def test_it_is_so_whatever_is_wanted_of_it_first(first: str) -> None:
    given = pickle.dumps(Member(name="a", host="::1", port=1))
    script = f"import copy, dataclasses, gossip, inspect, pickle\ngiven = {given!r}\n{first}"

    subprocess.run([sys.executable, "-c", script], check=True, timeout=30, env=_environment())


@pytest.mark.parametrize(
    "error",
    [
        gossip.ConfigError("threads", 0, "must be from 1 to 64"),
        gossip.JoinError("could not join", [("a:1", "refused")]),
        gossip.MessageTooLargeError("broadcast", 2000, 1300),
    ],
)
def test_errors_can_be_pickled(error: gossip.GossipError) -> None:
    copy = pickle.loads(pickle.dumps(error))

    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_errors_are_also_the_builtin_ones() -> None:
    assert issubclass(gossip.ConfigError, ValueError)
    assert issubclass(gossip.JoinError, ConnectionError)
    assert issubclass(gossip.UnknownPoolError, LookupError)
    assert issubclass(gossip.ForkedError, gossip.ClosedError)


def test_every_public_name_is_there() -> None:
    assert all(hasattr(gossip, name) for name in gossip.__all__)
    assert gossip.__version__


def test_an_import_starts_no_thread_and_opens_no_descriptor() -> None:
    script = """
import logging, os, socket, threading, select, enum, dataclasses, weakref, http.server
before = len(os.listdir('/proc/self/fd')), len(os.listdir('/proc/self/task'))
import gossip
after = len(os.listdir('/proc/self/fd')), len(os.listdir('/proc/self/task'))
assert before == after, (before, after)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=30, env=_environment())


def test_an_import_leaves_what_is_slow_until_it_is_needed() -> None:
    script = """
import sys
before = set(sys.modules)
import gossip
here = set(sys.modules) - before
slow = here & {'asyncio', 'dataclasses', 'inspect', 'ipaddress', 'logging', 'selectors', 'socket', 'ssl', 'traceback'}
assert not slow, slow
ours = {name.partition('.')[2] for name in here if name.startswith('gossip.')}
late = ours & {'_diagnosis', '_dial', '_inherit', '_listener', '_logging', '_packets', '_share', '_socket', '_tls'}
assert not late, late
"""
    # Without what the site imports for itself.
    command = [sys.executable, "-S", "-c", script]
    subprocess.run(command, check=True, timeout=30, env=_environment())


def test_what_is_imported_late_is_there_like_the_rest() -> None:
    script = """
import gossip
assert set(gossip.__all__) <= set(dir(gossip))
everything = {name: getattr(gossip, name) for name in gossip.__all__}
assert everything == {name: vars(gossip)[name] for name in gossip.__all__}
from gossip import *
assert Listener is everything['Listener'] and issubclass(TLSListener, Listener)
try:
    gossip.nonsense
except AttributeError as error:
    assert str(error) == "module 'gossip' has no attribute 'nonsense'"
else:
    raise AssertionError("there is no nonsense")
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=30, env=_environment())


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": ":".join(sys.path)}
