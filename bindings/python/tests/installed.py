"""What a user has who has installed the package: python -W error installed.py, in that environment."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import gossip

here = Path(gossip.__file__)
assert here.is_relative_to(sys.prefix), f"this is not the installed package: {here}"

with gossip.Gossip(gossip.Config(name="installed", bind_addr="127.0.0.1", bind_port=0)) as node:
    node.register_pool(gossip.PoolConfig.local(1)).wait_for(1, timeout=20)

found = importlib.metadata.distribution("libgossip")
assert found.version == gossip.__version__, found.version
assert not [need for need in found.requires or [] if "extra ==" not in need], found.requires
files = [str(file) for file in found.files or []]
for part in ("gossip/py.typed", "gossip/_core.pyi", "gossip/_core.abi3.so", "gossip/_dashboard/index.html"):
    assert part in files, part
tags = [line for line in (found.read_text("WHEEL") or "").splitlines() if line.startswith("Tag: ")]
assert tags and all("-abi3-" in tag for tag in tags), tags

command = [str(Path(sys.executable).with_name("gossip")), "demo", "--once", "--nodes", "2", "--json"]
subprocess.run(command, check=True, timeout=60, stdout=subprocess.DEVNULL)
print(f"installed: gossip {gossip.__version__}, {', '.join(tags)}")
