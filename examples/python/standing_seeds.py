"""Nodes that find each other by themselves, whoever starts first, and again after a crash or a cut.

    standing_seeds.py ada 7946 127.0.0.1:7946 127.0.0.1:7947
    standing_seeds.py ben 7947 127.0.0.1:7946 127.0.0.1:7947

All have the same seeds; that one of them is the own address does no harm.
"""

import sys

import gossip
from gossip import Healed, Isolated, MemberJoined, MemberLeft

name, port, *seeds = sys.argv[1:]
node = gossip.Gossip(gossip.Config(name=name, bind_addr="127.0.0.1", bind_port=int(port)))
pool = node.register_pool(gossip.PoolConfig.local(1, seeds=seeds, reconnect_interval=5))
events = pool.events()
try:
    with node:  # does not wait for the seeds
        for event in events:
            match event:
                case MemberJoined(member=member):
                    print("+", member.name, flush=True)
                case MemberLeft(member=member, failed=failed):
                    print("-", member.name, "failed" if failed else "left", flush=True)
                case Isolated():
                    print("! alone; still trying", *seeds, flush=True)
                case Healed(returned=returned, missing=missing):
                    print(f"* in company again: {returned} are back, {missing} are missing", flush=True)
except KeyboardInterrupt:
    pass
