"""A node's metrics as text for Prometheus."""

from .._node import Gossip

__all__ = ["metrics_text"]


def metrics_text(node: Gossip) -> str:
    """The core's text where it gives one, else its counters."""
    if metrics := getattr(node, "metrics", None):
        text: str = metrics()
        return text
    lines = [f"gossip_port_{name} {value}" for name, value in node.stats().counters.items()]
    for id, pool in node.pools.items():
        lines += [f'gossip_pool_{name}{{pool="{id}"}} {value}' for name, value in pool.stats().counters.items()]
    return "\n".join(sorted(lines)) + "\n"
