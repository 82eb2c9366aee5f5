"""The command `gossip`, as people and scripts use it."""

import base64
import io
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from cli import COMMAND, FAST_POOL, HERE, AgentProcess, environment, get, run, run_here
from conftest import MakeNode
from support import DEADLINE, Recorder, eventually, pool_config

import gossip
from gossip._cli import main
from gossip._cli._keys import fingerprint
from gossip._cli._lines import BACKLOG, Lines
from gossip._cli._seeds import _address
from gossip._cli._terminal import clean

KEYS = [bytes([number]) * 32 for number in range(3)]
TOKEN = "a-token-of-some-length"
EXAMPLE = HERE.parent.parent / "examples" / "agent.toml"

StartAgent = Callable[..., AgentProcess]


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[StartAgent]:
    """Starts agents on loopback."""
    with ExitStack() as stack:

        def start(name: str = "a", *arguments: str, pool: str = FAST_POOL, **more: str) -> AgentProcess:
            given = ["--name", name, "--bind", "127.0.0.1:0", *(["--pool", pool] if pool else []), *arguments]
            process = AgentProcess(tmp_path, *given, **more)
            stack.callback(process.close)
            return process

        yield start


def key_file(folder: Path, *keys: bytes, mode: int = 0o600) -> str:
    path = folder / "keys"
    path.write_text("# keys of the pool\n" + "".join(base64.b64encode(key).decode() + "\n" for key in keys))
    path.chmod(mode)
    return str(path)


# What it says


SUBCOMMANDS = [
    [], ["agent"], ["members"], ["watch"], ["send"], ["broadcast"], ["ping"], ["join"], ["meta"], ["leave"],
    ["metrics"], ["demo"], ["keys"], ["keys", "generate"], ["keys", "list"], ["keys", "install"], ["keys", "use"],
    ["keys", "remove"],
]  # fmt: skip


@pytest.mark.parametrize("words", SUBCOMMANDS, ids=" ".join)
def test_help_reads_well(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    out = capsys.readouterr().out
    assert ended.value.code == 0
    assert "exit statuses:" in out and "None" not in out
    assert "\t" not in out
    assert max(map(len, out.splitlines())) <= 100
    if not words:
        assert {line.split()[0] for line in out.splitlines() if re.match(" {4}[a-z]", line)} >= {
            words[0] for words in SUBCOMMANDS if words
        }


def test_the_manual_names_everything() -> None:
    from gossip._cli._lines import SIGNS
    from gossip._cli._parser import STATUSES
    from gossip._cli._settings import ACCESS, ENVIRONMENT

    manual = (HERE.parent.parent / "docs" / "agent.md").read_text()
    named = set(re.findall(r"`([^`\n]+)`", manual))
    for name in (*ENVIRONMENT, *SIGNS, *ACCESS, "GOSSIP_AGENT"):
        assert name in named or f"--http {name}" in named, name
    for words in SUBCOMMANDS[1:]:
        assert f"gossip {' '.join(words)}" in manual or words[-1] in named, words
    for status in re.findall(r"^  (\d+) ", STATUSES, re.MULTILINE):
        assert f"| {status} |" in manual


def test_the_version() -> None:
    done = subprocess.run([*COMMAND, "--version"], capture_output=True, text=True, env=environment(Path("/")), check=True)
    assert done.stdout == f"gossip {gossip.__version__}\n"


def test_the_entry_point_is_the_same() -> None:
    project = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"gossip": "gossip._cli:main"}
    assert any(need.startswith("rich") for need in project["optional-dependencies"]["cli"])


@pytest.mark.parametrize(
    ("arguments", "environ", "text"),
    [
        ([], {}, "the following arguments are required: COMMAND"),
        (["agnet"], {}, "invalid choice: 'agnet'"),
        (["members", "--agent", "host:port"], {}, "endpoint 'host:port' has no number as port"),
        (["agent", "--bind", "127.0.0.1:99999"], {}, "--bind is '127.0.0.1:99999', must be"),
        (["agent", "--bind", "localhost:0"], {}, "bind_addr is \"localhost\", must be an IP address"),
        (["agent", "--pool", "x"], {}, "--pool is 'x', must begin with an id from 0 to 255"),
        (["agent", "--pool", "256"], {}, "pool 256: id is 256, must be from 0 to 255"),
        (["agent", "--pool", "1,prob_interval=1s"], {}, "no key 'prob_interval'; 'probe_interval' is one"),
        (["agent", "--pool", "1,probe_interval=fast"], {}, "is 'fast', must be seconds, or such as 200ms"),
        (["agent", "--pool", "1,preset=moon"], {}, "preset of pool 1 is 'moon', must be one of lan, wan, local"),
        (["agent", "--set", "thread=2"], {}, "--set has no key 'thread'; 'threads' is one"),
        (["agent", "--set", "threads=0"], {}, "threads is \"0\", must be"),
        (["agent", "--config", "/nowhere.toml"], {}, "/nowhere.toml cannot be read: no such file or directory"),
        (["agent"], {"GOSSIP_META": "x" * 513}, "pool 1: meta is 513 bytes"),
        (["agent"], {"GOSSIP_HTTP": "public"}, "http is 'public', must be one of local, token, open, off"),
        (["agent", "--http", "token"], {}, "http is token, but there is none"),
        (["agent"], {"GOSSIP_TOKEN": "short"}, "the token has 5 characters, must be 16 or more"),
        (["agent"], {"GOSSIP_KEY": "secret!"}, "key 1 of GOSSIP_KEY is not base64"),
        (["agent"], {"GOSSIP_KEY": "c2VjcmV0"}, "key 1 of GOSSIP_KEY is 6 bytes, must be 16, 24 or 32"),
        (["agent"], {"GOSSIP_KEY": "x", "GOSSIP_KEY_FILE": "y"}, "are both set; unset one of them"),
        (["keys", "generate", "--bits", "512"], {}, "invalid choice: 512"),
    ],
)
def test_what_cannot_work_is_said_in_one_line(
    arguments: list[str], environ: dict[str, str], text: str,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for name in [name for name in os.environ if name.startswith("GOSSIP_")]:
        monkeypatch.delenv(name)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    try:
        status = main(arguments)
    except SystemExit as ended:
        status = int(ended.code or 0)
    out, err = capsys.readouterr()
    assert status == 2
    assert out == "" and err.startswith("gossip: ") and err.count("\n") == 1
    assert text in err
    for secret in ("secret!", "c2VjcmV0", "short"):
        assert secret not in err


@pytest.mark.parametrize(
    ("toml", "text"),
    [
        ("[node", "is not TOML"),
        ("[nodes]\n", "has no key 'nodes'; 'node' is one"),
        ("[node]\nnaem = 'x'\n", "[node] of FILE has no key 'naem'; 'name' is one"),
        ("[node]\nbind_port = 'x'\n", "bind_port of [node] of FILE is 'x', must be a number"),
        ("[pool]\nid = 1\n", "pool of FILE is one table; write [[pool]]"),
        ("[[pool]]\npreset = 'lan'\n", "[[pool]] 1 of FILE needs an id"),
        ("[[pool]]\nid = 1\n[[pool]]\nid = 1\n", "[[pool]] 2 of FILE has id 1, which another has"),
        ("[[pool]]\nid = 1\nkeys = ['c2VjcmV0']\n", "holds keys; put them in a file of their own"),
        ("[[pool]]\nid = 1\nseeds = 'x'\n", "seeds of pool 1 are 'x', must be a list"),
        ("[agent]\nhttp = 1\n", "http in [agent] of FILE is 1, must be str"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(
    tmp_path: Path, toml: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(toml)
    assert main(["agent", "--check", "--config", str(path)]) == 2
    err = capsys.readouterr().err
    assert text.replace("FILE", str(path)) in err and err.count("\n") == 1


def test_the_example_of_a_configuration_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["agent", "--check", "--config", str(EXAMPLE)]) == 0
    assert capsys.readouterr().out == "the configuration is right: node web-1, pools 1, 2\n"


def test_flags_go_before_the_environment_and_that_before_the_file(tmp_path: Path) -> None:
    from gossip._cli._parser import parse
    from gossip._cli._settings import load

    file = tmp_path / "agent.toml"
    file.write_text(
        "[node]\nname = 'file'\nbind_port = 1\nthreads = 3\n[agent]\nhttp = 'off'\n"
        "[[pool]]\nid = 7\nmeta = 'file'\nseeds = ['file']\nprobe_interval = '1500ms'\ngossip_nodes = 5\n"
    )
    environ = {"GOSSIP_NAME": "environment", "GOSSIP_SEEDS": "e1, e2", "GOSSIP_META": "environment"}
    arguments = ["agent", "--config", str(file), "--name", "flag", "--bind", ":2", "--pool", "7,gossip_nodes=6"]
    settings = load(parse(arguments), environ)
    [pool] = settings.pools
    assert (settings.config.name, settings.config.bind_port, settings.config.threads) == ("flag", 2, 3)
    assert (settings.http, pool.seeds, pool.config.meta) == ("off", ("e1", "e2"), b"environment")
    assert (pool.config.id, pool.config.probe_interval, pool.config.gossip_nodes) == (7, 1.5, 6)

    assert load(parse([*arguments, "--seed", "f"]), environ).pools[0].seeds == ("f",)
    assert load(parse(["agent", "--bind", "[::1]:5"]), {}).config.bind_addr == ("::1",)


@pytest.mark.parametrize(
    ("mode", "refused"), [(0o600, False), (0o640, False), (0o400, False), (0o644, True), (0o660, True), (0o602, True)]
)
def test_a_key_file_that_others_can_read_is_refused(
    tmp_path: Path, mode: int, refused: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    path = key_file(tmp_path, KEYS[0], mode=mode)
    assert main(["agent", "--check", "--key-file", path]) == (2 if refused else 0)
    err = capsys.readouterr().err
    if refused:
        assert f"key file {path} has mode {mode:04o}: others could read or change it; chmod 600" in err


def test_a_generated_key_is_one_for_a_key_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "key"
    for bits in (128, 192, 256):
        assert main(["keys", "generate", "--bits", str(bits)]) == 0
        text = capsys.readouterr().out
        assert len(base64.b64decode(text)) * 8 == bits
        path.write_text(text)
        path.chmod(0o600)
        assert main(["agent", "--check", "--key-file", str(path)]) == 0
        capsys.readouterr()


# An agent that runs


def test_an_agent_finds_its_seed_is_seen_and_leaves_in_good_order(agent: StartAgent, make_node: MakeNode) -> None:
    recorder = Recorder()
    node = make_node("seed")
    pool = node.register_pool(pool_config(), recorder)

    a = agent("a", "--seed", "{}:{}".format(*node.address), "--meta", "role=web")

    assert a.ready["name"] == "a" and a.ready["pools"] == [1] and Path(a.ready["control"]).is_socket()
    assert a.event("joined")["seeds"] == ["{}:{}".format(*node.address)]
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
    a = agent("a", "--seed", f"127.0.0.1:{port}")
    failed = a.event("seeds failed")
    assert list(failed["failed"]) == [f"127.0.0.1:{port}"]
    node = gossip.Gossip(gossip.Config(name="late", bind_addr="127.0.0.1", bind_port=port))
    with node:
        node.register_pool(pool_config())
        a.event("join", name="late")
        a.event("joined")


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
    a.event("joined")
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
    assert a.tell_apart("send", "b", "--reliable", input="two").returncode == 0
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
    assert {line.split()[0] for line in metrics.splitlines()} == {line.split()[0] for line in body.decode().splitlines()}
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
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, env=environment(a.folder), check=False
    )
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


def test_output_that_nobody_reads_stalls_nothing() -> None:
    class Stuck(io.StringIO):
        def write(self, text: str) -> int:
            assert released.wait(DEADLINE)
            return super().write(text)

    released, stream = threading.Event(), Stuck()
    lines = Lines(True, stream)
    for number in range(BACKLOG + 100):
        lines.put({"time": "now", "event": "log", "number": number})
    assert 90 <= lines.dropped <= 100
    released.set()
    lines.close(DEADLINE)
    written = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [event["number"] for event in written if "number" in event][:BACKLOG] == list(range(BACKLOG))
    assert any("lines dropped" in event.get("text", "") for event in written)


@pytest.mark.parametrize(
    ("seed", "address"),
    [
        ("10.0.0.1", ("10.0.0.1", 9)),
        ("10.0.0.1:7", ("10.0.0.1", 7)),
        ("b/10.0.0.1:7", ("10.0.0.1", 7)),
        ("[::1]", ("::1", 9)),
        ("[::1]:7", ("::1", 7)),
        ("::1", ("::1", 9)),
        ("seed.example:x", None),
    ],
)
def test_a_seed_without_a_port_is_meant_on_the_nodes_own(seed: str, address: tuple[str, int] | None) -> None:
    assert _address(seed, 9) == address


def test_text_of_others_cannot_move_the_cursor() -> None:
    assert clean("plain é 日本") == "plain é 日本"
    assert clean("\x1b[2J\r\n\x9b\u202e\udcff\0") == r"\x1b[2J\r\n\x9b\u202e\udcff\x00"
