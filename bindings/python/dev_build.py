#!/usr/bin/env python3
"""Builds `gossip._core` with cargo alone and puts it next to the package.

For work on the library and for machines without pip:

    python3 bindings/python/dev_build.py [--release]
    PYTHONPATH=bindings/python/src python3 -c 'import gossip'

Users install with `pip install ./bindings/python` instead.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = HERE / "src" / "gossip" / "_core.abi3.so"


def main() -> None:
    command = ["cargo", "build", "--message-format=json-render-diagnostics", *sys.argv[1:]]
    # macOS resolves the interpreter's symbols when the module is loaded, not when it is linked.
    env = dict(os.environ)
    if sys.platform == "darwin":
        env["RUSTFLAGS"] = env.get("RUSTFLAGS", "") + " -C link-arg=-undefined -C link-arg=dynamic_lookup"
    built = subprocess.run(
        [*command, "--manifest-path", str(HERE / "rust" / "Cargo.toml")],
        stdout=subprocess.PIPE, text=True, env=env, check=False,
    )
    if built.returncode != 0:
        sys.exit(built.returncode)
    library = next(
        name
        for message in map(json.loads, built.stdout.splitlines())
        if message["reason"] == "compiler-artifact" and "cdylib" in message["target"]["kind"]
        for name in message["filenames"]
        if name.endswith((".so", ".dylib"))
    )
    # Replaced in one step, so that a running program keeps the file it has loaded.
    shutil.copy2(library, TARGET.with_suffix(".new"))
    TARGET.with_suffix(".new").replace(TARGET)
    print(TARGET)


if __name__ == "__main__":
    main()
