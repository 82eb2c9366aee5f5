#!/usr/bin/env python3
"""Testing a service of your own in a simulated cluster.

    python -m pytest examples/python/test_my_service.py

The service is a replicated map: everybody may write, the newest write of a key wins. It
broadcasts each write, and gives all it knows in each exchange of state, which is how the
two sides of a partition, or a node that was away, catch up.
"""

import json
import time
from collections.abc import Callable
from typing import Protocol

import pytest

import gossip
from gossip.testing import Node, Quality, Simulation, cluster, seeds

# ---- the service, as it would be deployed ----


class Pool(Protocol):
    """What the service needs of its pool: `gossip.Pool` has it, and so has a simulated node."""

    @property
    def local_node(self) -> gossip.Member: ...
    def broadcast(self, message: bytes) -> None: ...
    def set_local_state(self, state: bytes) -> None: ...


Write = tuple[float, str, str]
"""When it was written, by whom, and the value: the greatest wins."""


class Map(gossip.Delegate):
    """A replicated map."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.writes: dict[str, Write] = {}
        self.clock = clock
        self.pool: Pool | None = None

    def __getitem__(self, key: str) -> str:
        return self.writes[key][2]

    def __setitem__(self, key: str, value: str) -> None:
        assert self.pool, "not in a pool"
        write = (self.clock(), self.pool.local_node.name, value)
        self.merge({key: write})
        self.pool.broadcast(json.dumps({key: write}).encode())

    def notify_msg(self, message: gossip.Message) -> None:
        self.merge(json.loads(message.data))

    def merge_remote_state(self, state: bytes, join: bool) -> None:
        if state:
            self.merge(json.loads(state))

    def merge(self, writes: dict[str, Write]) -> None:
        for key, write in writes.items():
            self.writes[key] = max(self.writes.get(key, (0.0, "", "")), (write[0], write[1], write[2]))
        assert self.pool, "not in a pool"
        self.pool.set_local_state(json.dumps(self.writes).encode())


# ---- its tests ----


def simulated(node: Node) -> Map:
    """The service on a simulated node: its clock is the simulation's."""
    service = Map(clock=lambda: node.sim.now)
    service.pool = node
    return service


def same(nodes: list[Node]) -> bool:
    """Whether all have the same map."""
    return all(node.delegate.writes == nodes[0].delegate.writes for node in nodes)


@pytest.mark.parametrize("seed", seeds(3))
def test_a_write_reaches_everybody_though_every_tenth_packet_is_lost(seed: int) -> None:
    with Simulation(seed) as sim:
        sim.set_quality(Quality.lan(loss=0.1))
        nodes = sim.spawn(20, delegate=simulated)
        sim.join_all()
        sim.run_until(sim.converged)

        nodes[7].delegate["colour"] = "green"

        # Most get the broadcast, the others an exchange of state.
        sim.run_until(
            lambda: all(node.delegate.writes.get("colour") for node in nodes), sim.bounds().agreement
        )
        assert {node.delegate["colour"] for node in nodes} == {"green"}


@pytest.mark.parametrize("seed", seeds(3))
def test_both_sides_of_a_partition_agree_afterwards(seed: int) -> None:
    with Simulation(seed) as sim:
        nodes = sim.spawn(6, delegate=simulated)
        sim.join_all()
        sim.run_until(sim.converged)

        with sim.partition(nodes[:3], nodes[3:]):
            nodes[0].delegate["colour"] = "green"
            sim.advance(1)
            nodes[5].delegate["colour"] = "blue"
            nodes[5].delegate["shape"] = "round"
            sim.advance(20)
            assert nodes[0].delegate["colour"] == "green"
            assert nodes[5].delegate["colour"] == "blue"

        # The dead are forgotten after a while, so a service joins its seeds now and then.
        sim.wait(nodes[4].join(nodes[:2]))
        sim.run_until(lambda: same(nodes), limit=sim.bounds().agreement)
        assert nodes[1].delegate["colour"] == "blue"
        assert nodes[1].delegate["shape"] == "round"


@pytest.mark.parametrize("seed", seeds(3))
def test_a_node_that_was_restarted_catches_up(seed: int) -> None:
    with Simulation(seed) as sim:
        nodes = sim.spawn(4, delegate=simulated)
        sim.join_all()
        sim.run_until(sim.converged)
        nodes[0].delegate["colour"] = "green"
        sim.advance(5)

        nodes[3].restart()
        assert nodes[3].delegate.writes == {}, "a new process begins with nothing"
        sim.wait(nodes[3].join(nodes[:3]))

        sim.run_until(lambda: same(nodes), limit=5)


def test_it_runs_on_real_nodes_too() -> None:
    services = {f"n{index:03}": Map() for index in range(3)}
    with cluster(3, delegate=services.__getitem__) as nodes:
        for node in nodes:
            services[node.node_name].pool = node.pool(1)

        services["n001"]["colour"] = "green"

        end = time.monotonic() + 10
        while not all(service.writes for service in services.values()) and time.monotonic() < end:
            time.sleep(0.01)
        assert {service["colour"] for service in services.values()} == {"green"}
