"""What agents tell of the company of their node, why a member is suspected, and what is wrong with the way to it."""

import json
import signal
import socket
from pathlib import Path

from cli import FAST_POOL, KEYS, StartAgent, get, key_file, run, run_here
from conftest import MakeNode
from support import DEADLINE, eventually, pool_config

from gossip._cli._lines import render

FORGETFUL = f"{FAST_POOL},gossip_to_the_dead_time=0.4,reconnect_interval=0.2"
"""A pool that forgets the dead after a moment, and looks for those who are missing as often."""


def test_a_process_that_stood_still_for_longer_than_it_is_remembered_is_found_again(agent: StartAgent) -> None:
    a = agent("a", pool=FORGETFUL)
    b = agent("b", "--seed", a.address, pool=FORGETFUL)
    a.event("join", name="b")
    b.event("join", name="a")

    b.process.send_signal(signal.SIGSTOP)
    a.event("fail", name="b")
    a.event("isolated", pool=1)

    def dead() -> int:
        """The dead that it remembers."""
        count: int = json.loads(get(a.endpoint, "/members.json")[2])["pools"][0]["stats"]["members_dead"]
        return count

    eventually(lambda: dead() == 0)
    b.process.send_signal(signal.SIGCONT)

    a.event("join", name="b")
    healed = a.event("healed", pool=1)
    assert (healed["returned"], healed["missing"]) == (1, 0)
    assert a.stop() == b.stop() == 0


def test_a_process_that_was_killed_starts_again_elsewhere_under_its_name(agent: StartAgent) -> None:
    a = agent("a", pool=FORGETFUL)
    b = agent("b", "--seed", a.address, pool=FORGETFUL)
    c = agent("c", "--seed", a.address, pool=FORGETFUL)
    b.event("join", name="c")
    c.process.kill()
    c.process.wait(DEADLINE)

    again = agent("c", "--seed", b.address, pool=FORGETFUL)

    assert again.address != c.address
    # Not only the one that it asked.
    for seen in (a, b):
        eventually(lambda seen=seen: again.address in seen.tell("members", "--name", "^c$").stdout)  # type: ignore[misc]
    rows = [json.loads(row) for row in again.tell("members", "--json").stdout.splitlines()]
    assert {row["name"] for row in rows} <= {"a", "b", "c"}
    again.event("join", name="a")


def test_explain(agent: StartAgent, make_node: MakeNode) -> None:
    a = agent("a")
    b = make_node("b\x1b[31m")
    b.register_pool(pool_config()).join([a.endpoint], timeout=DEADLINE)
    a.event("join", name="b\x1b[31m")

    done = a.tell_apart("explain", "b\x1b[31m")
    assert done.returncode == 0 and done.stderr == ""
    first, *_, last = done.stdout.splitlines()
    assert first.startswith(r"b\x1b[31m (127.0.0.1:") and last.startswith("conclusion: ")
    answer = json.loads(a.tell("explain", "a", "--json").stdout)
    assert (answer["pool"], answer["is_self"], answer["member"]["name"]) == (1, True, "a")
    b.shutdown()
    a.event("fail", name="b\x1b[31m")
    answer = json.loads(a.tell("explain", "b\x1b[31m", "--json").stdout)
    assert (answer["member"]["state"], answer["path"], answer["accusers"]) == ("dead", "cut", ["a"])
    assert answer["silence"]["end"] == "silent" and answer["text"].splitlines()[-1].startswith("conclusion: ")

    unknown = a.tell("explain", "nobody")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "no member is named nobody" in unknown.stderr


def test_doctor_by_an_agent(agent: StartAgent, make_node: MakeNode) -> None:
    a = agent("a")
    b = make_node("b")
    b.register_pool(pool_config()).join([a.endpoint], timeout=DEADLINE)
    a.event("join", name="b")
    address = "{}:{}".format(*b.address)

    well = a.tell_apart("doctor", "b", "--timeout", "15")
    assert well.returncode == 0, well.stdout + well.stderr
    assert well.stdout.splitlines()[-1].startswith("healthy: ")
    answer = json.loads(a.tell("doctor", address, "--timeout", "15", "--json").stdout)
    assert answer["healthy"] and list(answer["findings"]) == ["healthy"]
    assert (answer["address"], answer["member"]["name"]) == (address, "b")
    assert {"kind": "talk", "result": "ok"}.items() <= {
        key: value for check in answer["checks"] if check["kind"] == "talk" for key, value in check.items()
    }.items()

    b.shutdown()
    gone = a.tell("doctor", address)
    assert gone.returncode == 1 and gone.stdout.splitlines()[-1].startswith("not_listening: ")
    for arguments, status, text in (
        (["x:y"], 1, "x:y"),
        (["b", "--timeout", "16"], 2, "--timeout is 16, must be more than 0 and at most 15 seconds"),
        (["b", "--key-file", "k"], 2, "--key-file is for a node of its own"),
        (["b", "--pool", "9"], 1, "pool is 9"),
    ):
        done = a.tell("doctor", *arguments)
        assert (done.returncode, done.stdout) == (status, "") and text in done.stderr, done.stderr


def test_doctor_without_an_agent(tmp_path: Path, make_node: MakeNode) -> None:
    node = make_node("b")
    pool = node.register_pool(pool_config(3, keys=[KEYS[0]]))
    address = "{}:{}".format(*node.address)

    keys = key_file(tmp_path, KEYS[0])
    well = run(tmp_path, "doctor", address, "--as", "3", "--key-file", keys, "--timeout", "15")
    assert well.returncode == 0, well.stdout + well.stderr
    assert well.stdout.splitlines()[-1].startswith("healthy: ")
    # It has joined nobody.
    assert len(pool) == 1

    bare = run_here(tmp_path, "doctor", address, "--as", "3,preset=local", "--timeout", "15", "--json")
    assert bare.returncode == 1 and list(json.loads(bare.stdout)["findings"]) == ["keys_missing_here"]
    nowhere = run_here(tmp_path, "doctor", "node.invalid", "--as", "1")
    assert (nowhere.returncode, nowhere.stdout) == (1, "") and nowhere.stderr.startswith("gossip: node.invalid: ")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = run_here(tmp_path, "doctor", "127.0.0.1:{}".format(free.getsockname()[1]), "--as", "1")
    assert closed.returncode == 1 and "not_listening: " in closed.stdout
    for arguments, text in (
        (["--as", "x"], "must begin with an id"),
        (["--as", "1,labl=x"], "'label' is one"),
        (["--as", "1", "--agent", "127.0.0.1:1"], "leave them out, or --as"),
    ):
        done = run_here(tmp_path, "doctor", address, *arguments)
        assert (done.returncode, done.stdout) == (2, "") and text in done.stderr, done.stderr


def test_a_step_of_a_migration_is_told(agent: StartAgent, make_node: MakeNode, tmp_path: Path) -> None:
    a = agent("a", "--key-file", key_file(tmp_path, KEYS[0]))
    pool = make_node("b").register_pool(pool_config(keys=KEYS[:1]))
    pool.join([a.endpoint], timeout=DEADLINE)

    assert pool.rotate_key(KEYS[1], timeout=DEADLINE).is_complete

    told = a.event("migrated", kind="key", step="require", by="b")
    assert told["pool"] == 1
    line = render(told, colour=False)
    assert line.endswith("key: require, as b asked; write it to the configuration")
