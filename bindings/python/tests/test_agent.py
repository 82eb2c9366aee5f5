"""Agents that run, and the commands about them, as people and scripts use them."""

import base64
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli import COMMAND, FAST_POOL, HERE, KEYS, StartAgent, environment, get, key_file, run, run_here
from conftest import MakeNode
from support import DEADLINE, Recorder, eventually, pool_config

import gossip
from gossip._cli._keys import fingerprint

TOKEN = "a-token-of-some-length"

def test_an_agent_finds_its_seed_is_seen_and_leaves_in_good_order(agent: StartAgent, make_node: MakeNode) -> None:
    recorder = Recorder()
    node = make_node("seed")
    pool = node.register_pool(pool_config(), recorder)

    a = agent("a", "--seed", "{}:{}".format(*node.address), "--meta", "role=web")

    assert a.ready["name"] == "a" and a.ready["pools"] == [1] and Path(a.ready["control"]).is_socket()
    assert a.event("join", name="seed")["endpoint"] == "{}:{}".format(*node.address)
    assert recorder.named("notify_join", "a").meta == b"role=web"
    pool.broadcast(b"good morning")
    assert a.event("message")["text"] == "good morning"
    assert a.stop(signal.SIGTERM) == 0
    assert recorder.named("notify_leave", "a").state is gossip.MemberState.LEFT
    assert not Path(a.ready["control"]).exists()


def test_a_seed_that_is_not_there_yet_is_asked_again(agent: StartAgent, make_node: MakeNode) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        # Nobody else can be given it meanwhile, the agent least of all.
        a = agent("a", "--seed", f"127.0.0.1:{port}")
        a.event("isolated", pool=1)
    node = gossip.Gossip(gossip.Config(name="late", bind_addr="127.0.0.1", bind_port=port))
    with node:
        node.register_pool(pool_config())
        a.event("join", name="late")
        a.event("healed", pool=1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_an_agent(agent: StartAgent, number: int) -> None:
    a = agent()
    assert a.stop(number) == 0
    a.event("leaving")


def test_a_second_signal_ends_it_at_once(agent: StartAgent, make_node: MakeNode) -> None:
    # Saying goodbye takes a gossip interval, which is long here.
    node = make_node("b")
    node.register_pool(pool_config())
    a = agent("a", "--seed", "{}:{}".format(*node.address), pool=FAST_POOL + ",gossip_interval=1h,probe_interval=1h")
    a.event("join", name="b")
    a.process.send_signal(signal.SIGTERM)
    a.event("leaving")
    assert a.stop(signal.SIGINT) == 130


def test_a_port_that_is_taken(agent: StartAgent, tmp_path: Path) -> None:
    a = agent()
    done = run(tmp_path, "agent", "--bind", a.address)
    assert done.returncode == 1
    assert done.stderr == f"gossip: cannot listen on {a.address}: address already in use; --bind says where else\n"


def test_a_hangup_takes_over_new_keys_seeds_and_metadata(
    agent: StartAgent, tmp_path: Path, make_node: MakeNode
) -> None:
    node = make_node("b")
    node.register_pool(pool_config(keys=[KEYS[1]]))
    keys = key_file(tmp_path, KEYS[0])
    config = tmp_path / "agent.toml"
    table = "".join(f"{part}\n".replace("=", " = ", 1) for part in FAST_POOL.split(",")[2:])
    text = f"[[pool]]\nid = 1\npreset = 'local'\nkey_file = '{keys}'\n{table}"
    config.write_text(text)
    a = agent("a", "--config", str(config), pool="")
    key_file(tmp_path, KEYS[1], KEYS[0])
    config.write_text(f"{text}meta = 'new'\nseeds = ['{node.address[0]}:{node.address[1]}']\n")

    a.process.send_signal(signal.SIGHUP)

    a.event("join", name="b")
    a.event("reloaded", pools=[1])
    listed = json.loads(a.tell("keys", "list", "--json").stdout)["keys"]
    assert [key["fingerprint"] for key in listed] == [fingerprint(KEYS[1]), fingerprint(KEYS[0])]
    assert json.loads(a.tell("members", "--json", "--name", "^a$").stdout)["meta"] == "new"
    config.write_text("[[pool]]\nid = 'one'\n")
    a.process.send_signal(signal.SIGHUP)
    assert "needs an id" in a.event("log", level="error")["text"]
    assert a.stop() == 0


def test_keys_from_the_environment_encrypt(agent: StartAgent, make_node: MakeNode) -> None:
    node = make_node("b")
    node.register_pool(pool_config(keys=[KEYS[0]]))
    secret = base64.b64encode(KEYS[0]).decode()
    a = agent("a", "--seed", "{}:{}".format(*node.address), GOSSIP_KEY=secret)
    a.event("join", name="b")
    assert secret not in json.dumps(a.seen)


# The commands about it


def test_members(agent: StartAgent, make_node: MakeNode) -> None:
    a = agent("a")
    b = make_node("b\x1b[31m")
    b.register_pool(pool_config(meta=b"role=web")).join([a.endpoint], timeout=DEADLINE)
    a.event("join", name="b\x1b[31m")

    done = a.tell_apart("members")
    assert done.returncode == 0 and done.stderr == ""
    head, *rows = done.stdout.splitlines()
    assert head.split() == ["pool", "name", "address", "state", "rtt", "meta"]
    assert [row.split()[1] for row in rows] == ["a", r"b\x1b[31m"] and "\x1b" not in done.stdout
    assert "role=web" in rows[1] and "{}:{}".format(*b.address) in rows[1]

    rows = a.tell("members", "--json").stdout.splitlines()
    assert [json.loads(row)["name"] for row in rows] == ["a", "b\x1b[31m"]
    assert a.tell("members", "--name", "^c$").returncode == 1
    assert a.tell("members", "--state", "asleep").returncode == 2
    assert "has no pool 9; it has 1" in a.tell("members", "--pool", "9").stderr
    b.leave(DEADLINE)
    a.event("leave")
    assert json.loads(a.tell("members", "--json", "--state", "left").stdout)["name"] == "b\x1b[31m"
    # Over its port, and found by itself.
    assert run(a.folder, "members", "--agent", a.address).stdout.split()[:1] == ["pool"]
    assert run_here(a.folder, "members").returncode == 0


def test_messages(agent: StartAgent, make_node: MakeNode) -> None:
    recorder = Recorder()
    a = agent("a")
    b = make_node("b")
    b.register_pool(pool_config(), recorder).join([a.endpoint], timeout=DEADLINE)
    a.event("join", name="b")

    assert a.tell_apart("send", "b", "one").stdout == "sent 3 bytes to b in pool 1\n"
    done = a.tell_apart("send", "b", "--reliable", "--json", input="two")
    assert json.loads(done.stdout) == {"pool": 1, "to": "b", "bytes": 3, "delivery": "acknowledged"}
    done = a.tell_apart("broadcast", "three", "--json")
    assert json.loads(done.stdout) == {"pool": 1, "bytes": 5, "members": 2}
    for text in (b"one", b"two", b"three"):
        recorder.wait_for("notify_msg", lambda message, text=text: message.data == text)
    assert re.fullmatch(r"b answered in \d+\.\d\d ms\n", a.tell_apart("ping", "b").stdout)
    assert a.tell_apart("meta", "role=db").returncode == 0
    recorder.wait_for("notify_update", lambda member: member.meta == b"role=db")

    done = a.tell("send", "nobody", "x")
    assert (done.returncode, done.stdout) == (1, "")
    assert "pool 1 has no member 'nobody'" in done.stderr
    assert "at most" in a.tell("broadcast", input="x" * 40000).stderr
    assert a.tell_apart("join", "127.0.0.1:1").returncode == 1
    assert a.tell("join", "{}:{}".format(*b.address)).stdout.startswith("joined through 127.0.0.1:")
    assert a.tell_apart("leave").returncode == 0
    assert a.process.wait(DEADLINE) == 0
    assert recorder.named("notify_leave", "a").state is gossip.MemberState.LEFT


def test_several_pools_need_a_choice(agent: StartAgent) -> None:
    a = agent("a", "--pool", "2,preset=local")
    done = a.tell("broadcast", "x")
    assert done.returncode == 1 and "say which pool: 1, 2" in done.stderr
    assert a.tell("broadcast", "x", "--pool", "2").returncode == 0
    assert "pool is 3, must be one of 1, 2" in a.tell("ping", "a", "--pool", "3").stderr


def test_keys_are_changed_by_fingerprint_and_never_shown(agent: StartAgent, tmp_path: Path) -> None:
    a = agent("a", "--key-file", key_file(tmp_path, KEYS[0]))
    old, new = fingerprint(KEYS[0]), fingerprint(KEYS[1])

    def keys(*arguments: str, **more: Any) -> list[tuple[str, bool]]:
        done = a.tell_apart("keys", *arguments, "--json", **more)
        assert done.returncode == 0, done.stderr
        return [(key["fingerprint"], key["primary"]) for key in json.loads(done.stdout)["keys"]]

    assert keys("list") == [(old, True)]
    assert keys("install", "-", input=base64.b64encode(KEYS[1]).decode()) == [(old, True), (new, False)]
    assert keys("use", new[:6]) == [(new, True), (old, False)]
    refused = a.tell("keys", "remove", new)
    assert refused.returncode == 1 and "primary" in refused.stderr
    assert keys("remove", old) == [(new, True)]
    assert "no key of pool 1 begin with fingerprint 'ffff'" in a.tell("keys", "use", "ffff").stderr
    assert a.tell("keys", "install", key_file(tmp_path, KEYS[2], mode=0o644)).returncode == 2
    for key in KEYS[:2]:
        assert base64.b64encode(key).decode() not in a.tell("keys", "list").stdout
    far = run_here(tmp_path, "keys", "install", key_file(tmp_path, KEYS[2]), "--agent", "203.0.113.5:1")
    assert far.returncode == 2 and "in the clear" in far.stderr


def test_commands_over_the_port_need_the_token(agent: StartAgent, tmp_path: Path) -> None:
    closed = agent("a")
    done = run_here(tmp_path, "broadcast", "x", "--agent", closed.address)
    assert done.returncode == 4 and "this agent has no token" in done.stderr

    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    file.chmod(0o600)
    a = agent("b", "--token-file", str(file), "--http", "token")
    for command in (["broadcast", "x"], ["members"]):
        assert run_here(tmp_path, *command, "--agent", a.address).returncode == 4
        assert run_here(tmp_path, *command, "--agent", a.address, GOSSIP_TOKEN="wrong" * 5).returncode == 4
        assert run_here(tmp_path, *command, "--agent", a.address, GOSSIP_TOKEN=TOKEN).returncode == 0
        assert run_here(tmp_path, *command, "--agent", a.address, "--token-file", str(file)).returncode == 0
    file.chmod(0o644)
    assert run_here(tmp_path, "members", "--agent", a.address, "--token-file", str(file)).returncode == 2


def test_the_control_socket_is_its_owners_alone(agent: StartAgent, tmp_path: Path) -> None:
    a = agent("a", "--control", str(tmp_path / "c.sock"))
    assert (tmp_path / "c.sock").stat().st_mode & 0o777 == 0o600
    done = run(tmp_path, "agent", "--bind", "127.0.0.1:0", "--control", str(tmp_path / "c.sock"))
    assert done.returncode == 1 and "belongs to an agent that runs" in done.stderr
    # One that was killed leaves it behind; the next takes its place.
    a.close()
    assert (tmp_path / "c.sock").exists()
    b = agent("b", "--control", str(tmp_path / "c.sock"))
    assert b.tell("ping", "b").returncode in (0, 1)
    (tmp_path / "file").write_text("precious")
    assert run(tmp_path, "agent", "--bind", "127.0.0.1:0", "--control", str(tmp_path / "file")).returncode == 1
    assert (tmp_path / "file").read_text() == "precious"


def test_several_agents_are_told_apart(agent: StartAgent, tmp_path: Path) -> None:
    a, b = agent("a"), agent("b")
    done = run_here(tmp_path, "members")
    assert done.returncode == 2 and a.ready["control"] in done.stderr and b.ready["control"] in done.stderr
    assert run_here(tmp_path, "members", GOSSIP_AGENT=b.ready["control"]).returncode == 0


def test_metrics_and_what_the_port_serves(agent: StartAgent) -> None:
    a = agent("a")
    metrics = a.tell_apart("metrics").stdout
    assert "\ngossip_agent_lines_dropped_total 0\n" in metrics
    assert re.search(r'^[a-z_]+\{[^}]*pool="1"[^}]*\} \d', metrics, re.MULTILINE)
    code, headers, body = get(a.endpoint, "/metrics")
    assert code == 200 and headers["content-type"].startswith("text/plain; version=0.0.4")
    names, over_http = ({line.split()[0] for line in text.splitlines()} for text in (metrics, body.decode()))
    assert names == over_http
    assert get(a.endpoint, "/")[0] == 200
    off = agent("b", "--http", "off")
    assert run_here(off.folder, "members", "--agent", off.address).returncode == 3
    assert off.tell("members").returncode == 0


def test_nobody_there(tmp_path: Path) -> None:
    for where in ("127.0.0.1:1", str(tmp_path / "none.sock")):
        done = run_here(tmp_path, "members", "--agent", where)
        assert done.returncode == 3 and done.stdout == ""
        assert re.fullmatch(rf"gossip: no agent answers at {where}: .*; is it running\? --agent .*\n", done.stderr)


def test_watch_prints_events_and_ends_with_the_agent(agent: StartAgent, make_node: MakeNode) -> None:
    a = agent("a")
    watching = [
        subprocess.Popen(
            [*COMMAND, "watch", "--agent", a.ready["control"], *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env=environment(a.folder),
        )  # fmt: skip
        for more in ([], ["--json"], ["--json", "--all"])
    ]
    text, some, everything = watching
    assert everything.stdout and json.loads(everything.stdout.readline())["event"] == "snapshot"
    # All three follow once this one has its snapshot and the others were told of the first event after it.
    eventually(lambda: json.loads(get(a.endpoint, "/members.json")[2])["followers"] == 3, "three follow")
    make_node("b").register_pool(pool_config()).join([a.endpoint], timeout=DEADLINE)
    a.event("join", name="b")
    a.stop()
    for process in watching:
        out, err = process.communicate(timeout=DEADLINE)
        assert process.returncode == 3 and "no agent answers" in err
        lines = out.splitlines()
        if process is text:
            assert any(re.match(r"\d\d:\d\d:\d\d \+ join +pool 1 +b +127", line) for line in lines), out
        else:
            assert any(json.loads(line)["event"] == "join" for line in lines)
        if process is some:
            assert not any(json.loads(line)["event"] in ("ping", "numbers", "snapshot") for line in lines)


def on_a_terminal(folder: Path, *arguments: str, until: str, **more: str) -> str:
    """What a command writes to a terminal until it has written something."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdin=follower, stdout=follower, stderr=follower,
        env=environment(folder, TERM="xterm-256color", LINES="40", **more),
    )  # fmt: skip
    os.close(follower)
    out = b""
    try:
        while until.encode() not in out:
            out += os.read(leader, 65536)
    except OSError:
        pass
    finally:
        process.send_signal(signal.SIGINT)
        try:
            while os.read(leader, 65536):
                pass
        except OSError:
            pass
        process.wait(DEADLINE)
        os.close(leader)
    return out.decode()


@pytest.mark.parametrize("with_rich", [True, False])
def test_a_terminal_is_used_with_rich_and_without(agent: StartAgent, tmp_path: Path, with_rich: bool) -> None:
    if with_rich:
        pytest.importorskip("rich") if not os.environ.get("CI") else __import__("rich")
    (tmp_path / "norich" / "rich").mkdir(parents=True)
    (tmp_path / "norich" / "rich" / "__init__.py").write_text("raise ImportError('not here')")
    path = str(HERE / "src") if with_rich else f"{tmp_path / 'norich'}:{HERE / 'src'}"
    a = agent("a")
    for command in ("members", "watch"):
        out = on_a_terminal(tmp_path, command, "--agent", a.address, until=a.address, PYTHONPATH=path)
        assert "\x1b[" in out and a.address in out
    assert "\x1b[" not in on_a_terminal(
        tmp_path, "members", "--agent", a.address, until=a.address, PYTHONPATH=path, NO_COLOR="1"
    )


def test_a_reader_that_has_enough_is_no_error(agent: StartAgent) -> None:
    a = agent("a")
    command = f"{sys.executable} -m gossip metrics --agent {a.ready['control']} | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False,
        env=environment(a.folder),
    )  # fmt: skip
    assert done.stderr == "" and done.returncode == 0 and done.stdout.count("\n") == 1


def test_the_demonstration_plays_to_its_end(tmp_path: Path) -> None:
    done = run(tmp_path, "demo", "--once", "--nodes", "3", "--json")
    assert done.returncode == 0, done.stderr
    told = [(event["event"], event.get("name")) for event in map(json.loads, done.stdout.splitlines())]
    expected = [("join", "ben"), ("join", "cleo"), ("fail", "ben"), ("join", "ben"), ("leave", "ben")]
    remaining = iter(told)
    assert all(wanted in remaining for wanted in expected), told


def test_systemd_is_told(agent: StartAgent, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(tmp_path / "notify"))
        told.settimeout(DEADLINE)
        a = agent("a", NOTIFY_SOCKET=str(tmp_path / "notify"))
        assert told.recv(100) == b"READY=1"
        assert a.stop() == 0
        assert told.recv(100) == b"STOPPING=1"
