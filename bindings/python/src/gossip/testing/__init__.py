"""Testing programs that gossip.

`Simulation` runs whole clusters in virtual time, over the same protocol code as real
nodes, with faults at will, deterministic by its seed: ten minutes of a hundred nodes are
seconds. `cluster` starts real nodes on loopback.

    with gossip.testing.Simulation(seed=1) as sim:
        nodes = sim.spawn(5)
        sim.join_all()
        sim.run_until(sim.converged, limit=10)
        nodes[3].crash()
        sim.run_until(lambda: sim.all_see(nodes[3], gossip.MemberState.DEAD), limit=60)
"""

from ._cluster import FAST, LeakError, cluster
from ._errors import SimulationError, UnreachedError, ViolationError, seeds
from ._node import Node, Task, Timer
from ._simulation import Cut, Simulation
from ._values import Bounds, Bursts, Detection, Heard, Quality, Report, Tail, Traffic

__all__ = [
    "FAST",
    "Bounds",
    "Bursts",
    "Cut",
    "Detection",
    "Heard",
    "LeakError",
    "Node",
    "Quality",
    "Report",
    "Simulation",
    "SimulationError",
    "Tail",
    "Task",
    "Timer",
    "Traffic",
    "UnreachedError",
    "ViolationError",
    "cluster",
    "seeds",
]
