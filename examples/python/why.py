"""Says why, when a member fails: `why.py 127.0.0.1:7946` looks into the cluster of that node."""

import sys

import gossip

with gossip.Gossip(gossip.Config(name="why", bind_addr="127.0.0.1", bind_port=0)) as node:
    pool = node.register_pool(gossip.PoolConfig.local(1))
    pool.join([sys.argv[1]], timeout=10)
    print("watching", len(pool), "members", flush=True)
    for event in pool.events(gossip.MemberLeft):
        assert isinstance(event, gossip.MemberLeft)
        if not event.failed:
            continue
        # What this node knows: who accused it, what its probes have shown.
        print(pool.explain(event.member))
        # What can be found out: which direction of which protocol is blocked.
        found = pool.doctor(event.member, timeout=5)
        print(found)
        if gossip.Finding.NOT_LISTENING in found.findings:
            print("=> its host is there: start", event.member.name, "again")
        sys.stdout.flush()
