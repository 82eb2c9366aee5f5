"""Real nodes for the tests of users."""

import os
import socket
import sys
from pathlib import Path

import pytest
from support import Recorder, eventually

import gossip
from gossip.testing import LeakError, cluster


def test_a_cluster_is_nodes_that_know_each_other() -> None:
    recorders: dict[str, Recorder] = {}

    def delegate(name: str) -> Recorder:
        return recorders.setdefault(name, Recorder())

    with cluster(3, delegate=delegate) as nodes:
        assert [node.node_name for node in nodes] == ["n000", "n001", "n002"]
        assert all(len(node.pool(1)) == 3 for node in nodes)
        nodes[0].pool(1).broadcast(b"hello")
        assert recorders["n002"].wait_for("notify_msg")[0].data == b"hello"
        nodes[1].shutdown()
        eventually(lambda: len(nodes[0].pool(1)) == 2, "the crash is found")

    assert all(node.closed for node in nodes)


def test_a_cluster_of_a_configuration() -> None:
    with cluster(2, gossip.PoolConfig.local(7, keys=[b"k" * 32])) as (a, b):
        assert len(a.pool(7)) == len(b.pool(7)) == 2


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only /proc tells what leaks")
def test_what_is_left_open_is_said() -> None:
    left: list[socket.socket] = []
    with pytest.raises(LeakError, match=r"descriptor \d+ \(socket:") as error:
        with cluster(1):
            left.append(socket.socket())
    assert f"descriptor {left[0].fileno()} " in str(error.value)
    left[0].close()

    with cluster(1, check_leaks=False):
        left[0] = socket.socket()
    left[0].close()


def test_an_error_in_the_block_is_what_comes_out_of_it() -> None:
    with pytest.raises(ZeroDivisionError), cluster(1) as (node,):
        raise ZeroDivisionError
    assert node.closed


def test_clusters_leave_no_descriptor_behind() -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("only /proc tells what leaks")
    with cluster(2):
        pass
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with cluster(2):
            pass
    assert len(os.listdir("/proc/self/fd")) <= before


def test_impossible_clusters_are_refused() -> None:
    with pytest.raises(ValueError, match="count is 0"), cluster(0):
        pass
    with pytest.raises(TypeError, match="count must be int"), cluster("3"):  # type: ignore[arg-type]
        pass
