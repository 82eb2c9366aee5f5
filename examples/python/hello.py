"""A cluster in ten lines: `hello.py alice` in one terminal, `hello.py bob 127.0.0.1:7946` in the next."""

import sys

import gossip


class Hello(gossip.Delegate):
    def notify_join(self, member: gossip.Member) -> None:
        print(member.name, "is here")

    def notify_msg(self, message: gossip.Message) -> None:
        print(message.data.decode())


name, *seeds = sys.argv[1:]
with gossip.Gossip(gossip.Config(name=name, bind_addr="127.0.0.1", bind_port=0 if seeds else 7946)) as node:
    pool = node.register_pool(gossip.PoolConfig.local(1), Hello())
    if seeds:
        pool.join(seeds, timeout=10)
    for line in sys.stdin:
        pool.broadcast(f"{name}: {line.strip()}".encode())
