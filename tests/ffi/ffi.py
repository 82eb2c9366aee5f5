#!/usr/bin/env python3
"""libgossip as other languages call it without a binding of ours: ffi.py LIBRARY

Each program of this folder joins two nodes, sends a message, makes one muxed connection, and shuts down. What is
missing is skipped in sight of all; with CI=true that is a failure. cffi, koffi and JNA are installed beside the library.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LIBRARY = Path()
WORK = Path()
KOFFI = "koffi@3"
JNA = "net.java.dev.jna:jna:5.17.0"


def run(*command: str | Path, **more: object) -> str:
    """What a command prints; it must end well."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False, **more)  # type: ignore[call-overload]
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(words)} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return str(done.stdout)


def skip(missing: str) -> None:
    """Ends this test."""
    if os.environ.get("CI") == "true":
        raise AssertionError(f"{missing} is missing")
    raise unittest.SkipTest(f"SKIPPED: no {missing}")


def need(tool: str) -> str:
    """The tool, or the end of this test."""
    found = shutil.which(tool)
    if not found:
        skip(tool)
    return str(found)


def declarations() -> Path:
    """The header as parsers read it that know no preprocessor: cffi's and LuaJIT's."""
    text = (ROOT / "include/gossip/gossip.h").read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL)
    text = re.sub(r"#ifdef __cplusplus.*?#endif", "", text, flags=re.DOTALL)
    text = re.sub(r"^#.*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\b(GOSSIP_API|GOSSIP_NODISCARD)\b", "", text)
    path = WORK / "gossip.cdef.h"
    path.write_text(re.sub(r"\n\s*\n+", "\n", text), encoding="utf-8")
    return path


class Smoke(unittest.TestCase):
    """One program each."""

    def test_python_ctypes(self) -> None:
        self.assertIn("works", run(sys.executable, HERE / "smoke_ctypes.py", LIBRARY))

    def test_python_cffi(self) -> None:
        venv = WORK / f"venv-{sys.implementation.cache_tag}"
        python = venv / "bin/python"
        if not (venv / "has-cffi").exists():
            try:
                run(sys.executable, "-m", "venv", "--clear", venv)
                run(python, "-m", "pip", "install", "--quiet", "cffi")
            except AssertionError as error:
                skip(f"cffi: {error}")
            (venv / "has-cffi").touch()
        self.assertIn("works", run(python, HERE / "smoke_cffi.py", LIBRARY, declarations()))

    def test_luajit(self) -> None:
        self.assertIn("works", run(need("luajit"), HERE / "smoke.lua", LIBRARY, declarations()))

    def test_go(self) -> None:
        go = need("go")
        need("cc")
        need("pkg-config")
        (WORK / "gossip.pc").write_text(
            f"Name: gossip\nDescription: the build folder\nVersion: 0\nCflags: -I{ROOT / 'include'}\n"
            f"Libs: -L{LIBRARY.parent} -lgossip\n"
        )
        soname = re.search(r"SONAME.*\[(.*)\]", run(need("readelf"), "-dW", LIBRARY))
        assert soname
        link = LIBRARY.parent / soname[1]
        if not link.exists():
            link.symlink_to(LIBRARY.name)
        environment = {
            **os.environ,
            "CGO_ENABLED": "1",
            "GOWORK": "off",
            "PKG_CONFIG_PATH": str(WORK),
            "LD_LIBRARY_PATH": str(LIBRARY.parent),
        }
        run(go, "build", "-o", WORK / "smoke-go", ".", cwd=HERE / "go", env=environment)
        self.assertIn("works", run(WORK / "smoke-go", env=environment))

    def test_node_koffi(self) -> None:
        node, npm = need("node"), need("npm")
        if not (WORK / "node_modules/koffi").exists():
            try:
                run(npm, "install", "--silent", "--no-save", "--prefix", WORK, KOFFI)
            except AssertionError as error:
                skip(f"koffi: {error}")
        environment = {**os.environ, "NODE_PATH": str(WORK / "node_modules")}
        self.assertIn("works", run(node, HERE / "smoke.js", LIBRARY, env=environment))

    def test_java_jna(self) -> None:
        java, mvn = need("java"), need("mvn")
        need("javac")
        jar = WORK / f"jna-{JNA.rsplit(':', 1)[1]}.jar"
        if not jar.exists():
            try:
                run(mvn, "--batch-mode", "--quiet", "dependency:copy", f"-Dartifact={JNA}", f"-DoutputDirectory={WORK}", cwd=WORK)
            except AssertionError as error:
                skip(f"JNA: {error}")
        run("javac", "-Xlint:all", "-Werror", "-cp", jar, "-d", WORK, HERE / "Smoke.java")
        # JNA loads a library of its own; newer Javas want that to be said.
        self.assertIn("works", run(java, "-cp", f"{jar}:{WORK}", "Smoke", LIBRARY))


if __name__ == "__main__":
    LIBRARY = Path(sys.argv.pop(1)).resolve()
    WORK = LIBRARY.parents[1] / "ffi"
    WORK.mkdir(exist_ok=True)
    unittest.main(verbosity=2)
