"""What the tests of simulated clusters share."""

from typing import Any

import gossip
from gossip.testing import Node, Simulation

__all__ = ["LOCAL", "joined"]

LOCAL = gossip.PoolConfig.local(1)


def joined(sim: Simulation, count: int, *args: Any, **changes: Any) -> list[Node]:
    """Nodes that know each other."""
    nodes = sim.spawn(count, *args, **changes)
    sim.join_all()
    sim.run_until(sim.agreed)
    return nodes
