"""A port over sockets that somebody else has bound."""

import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from support import DEADLINE, pool_config

import gossip

HERE = Path(__file__).parent


def bound() -> tuple[socket.socket, socket.socket]:
    """A TCP and a UDP socket of one free port."""
    while True:
        tcp = socket.create_server(("127.0.0.1", 0))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind(tcp.getsockname())
        except OSError:
            tcp.close()
            udp.close()
            continue
        return tcp, udp


def test_a_node_takes_over_bound_sockets() -> None:
    tcp, udp = bound()
    address = tcp.getsockname()

    with gossip.Gossip(gossip.Config(name="a"), sockets=[udp, tcp]) as node:
        assert node.address == address
        assert tcp.fileno() == udp.fileno() == -1
        with node.listen(0x0101) as listener:
            with gossip.dial(address, 0x0101, timeout=DEADLINE), listener.accept()[0]:
                pass

    with socket.create_server(address):
        pass


def test_sockets_that_make_no_port_stay_as_they_were() -> None:
    tcp, udp = bound()
    with tcp, udp:
        for wrong in ([tcp], [], [udp], [tcp, tcp, udp]):
            with pytest.raises(gossip.ConfigError) as refused:
                gossip.Gossip(gossip.Config(name="a"), sockets=wrong)
            assert refused.value.field == "sockets"
        with pytest.raises(TypeError):
            gossip.Gossip(gossip.Config(name="a"), sockets=[tcp, 3])  # type: ignore[list-item]

        assert tcp.getblocking() and os.get_blocking(tcp.fileno())
        with socket.create_connection(tcp.getsockname()), tcp.accept()[0]:
            pass


ACTIVATED = """
    import os, sys
    os.environ["LISTEN_PID"] = str(os.getpid())
    import gossip
    node = gossip.Gossip(gossip.Config(name="a"), sockets=gossip.sockets_from_systemd() or None).start()
    assert not [name for name in os.environ if name.startswith("LISTEN_")], os.environ
    print(node.address[1])
    node.register_pool(gossip.PoolConfig.local(1))
    node.close()
"""


def test_systemd_passes_sockets() -> None:
    tcp, udp = bound()
    with tcp, udp:
        given = [os.dup(tcp.fileno()), os.dup(udp.fileno())]

        def pass_on() -> None:
            high = [os.dup2(fd, number) for number, fd in enumerate([os.dup(fd) for fd in given], 100)]
            for number, fd in enumerate(high, 3):
                os.dup2(fd, number)

        ended = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(ACTIVATED)],
            env={**os.environ, "PYTHONPATH": str(HERE.parent / "src"), "LISTEN_FDS": "2",
                 "LISTEN_FDNAMES": "gossip:gossip"},
            preexec_fn=pass_on, close_fds=False, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        for fd in given:
            os.close(fd)

        assert ended.returncode == 0, ended.stderr
        assert int(ended.stdout) == tcp.getsockname()[1]


def test_what_systemd_did_not_pass_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LISTEN_PID", "LISTEN_FDS"):
        monkeypatch.delenv(name, raising=False)
    assert gossip.sockets_from_systemd() == []
    monkeypatch.setenv("LISTEN_PID", "1")
    monkeypatch.setenv("LISTEN_FDS", "1")
    assert gossip.sockets_from_systemd() == []
    for pid, count, field in ((str(os.getpid()), "one", "LISTEN_FDS"), ("-1", "1", "LISTEN_PID"),
                              (str(os.getpid()), "1000000", "LISTEN_FDS")):  # fmt: skip
        monkeypatch.setenv("LISTEN_PID", pid)
        monkeypatch.setenv("LISTEN_FDS", count)
        with pytest.raises(gossip.ConfigError) as refused:
            gossip.sockets_from_systemd()
        assert refused.value.field == field


def test_a_pool_runs_on_inherited_sockets() -> None:
    with (
        gossip.Gossip(gossip.Config(name="a"), sockets=bound()) as a,
        gossip.Gossip(gossip.Config(name="b"), sockets=bound()) as b,
    ):
        a.register_pool(pool_config())
        b.register_pool(pool_config()).join([a.address], timeout=DEADLINE)
        a.pool(1).wait_for(2, timeout=DEADLINE)
