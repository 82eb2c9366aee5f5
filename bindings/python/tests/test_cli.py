"""The command `gossip`: what it says, and how an agent is configured."""

import base64
import io
import json
import os
import re
import subprocess
import threading
import tomllib
from pathlib import Path

import pytest
from cli import COMMAND, HERE, KEYS, environment, key_file
from support import DEADLINE

import gossip
from gossip._cli import main
from gossip._cli._lines import BACKLOG, Lines
from gossip._cli._terminal import clean

EXAMPLE = HERE.parent.parent / "examples" / "agent.toml"


SUBCOMMANDS = [
    [], ["agent"], ["members"], ["watch"], ["send"], ["broadcast"], ["ping"], ["explain"], ["doctor"], ["join"],
    ["meta"], ["leave"], ["metrics"], ["demo"], ["keys"], ["keys", "generate"], ["keys", "list"], ["keys", "install"], ["keys", "use"],
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
    command = [*COMMAND, "--version"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(Path("/")), check=True)
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
    assert (settings.http, pool.seeds, pool.meta) == ("off", ("e1", "e2"), b"environment")
    assert (pool.id, pool.probe_interval, pool.gossip_nodes) == (7, 1.5, 6)

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


def test_text_of_others_cannot_move_the_cursor() -> None:
    assert clean("plain é 日本") == "plain é 日本"
    assert clean("\x1b[2J\r\n\x9b\u202e\udcff\0") == r"\x1b[2J\r\n\x9b\u202e\udcff\x00"
