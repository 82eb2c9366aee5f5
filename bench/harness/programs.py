"""The programs that are measured, each built once; those that can't be had say why."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BENCH = ROOT / "bench"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
OUT = TARGET / "bench"
CARGO = os.environ.get("CARGO", "cargo")


@dataclass
class Profile:
    """How what is ours is built; a short run takes what the tests have built already."""

    release: bool = True

    def flags(self) -> list[str | Path]:
        """What cargo is told of it."""
        return ["--release"] if self.release else []

    def folder(self) -> Path:
        """Where cargo puts it."""
        return TARGET / ("release" if self.release else "debug")


PROFILE = Profile()


class Missing(Exception):
    """A contender that can't take part, and why."""


class Broken(Exception):
    """What must work, and doesn't: the run is worth nothing."""


def run(command: list[str | Path], where: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a compiler or the like."""
    return subprocess.run(
        command, cwd=where, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


@cache
def ours() -> Path:
    """What this library does, and sockets without it: bench/rust, and the C library."""
    built = run([CARGO, "build", "--locked", *PROFILE.flags(), "-p", "gossip-ffi", "-p", "gossip-bench"], ROOT)
    if built.returncode != 0:
        raise Broken(built.stderr)
    return PROFILE.folder() / "gossip-bench"


@cache
def python_binding() -> Path:
    """The folder of the Python binding, with the module built in it."""
    folder = ROOT / "bindings" / "python"
    command: list[str | Path] = [sys.executable, folder / "dev_build.py", "--quiet", "--locked", *PROFILE.flags()]
    built = run(command, ROOT, CARGO_TARGET_DIR=str(TARGET))
    if built.returncode != 0:
        raise Broken(built.stderr)
    return folder


@cache
def c(name: str) -> Path:
    """A program of bench/c without the library."""
    return compile_c(name, [])


@cache
def c_with_library(name: str) -> Path:
    """A program of bench/c against the library."""
    ours()
    library = PROFILE.folder() / "libgossip.so"
    header = run(["readelf", "-d", library], ROOT).stdout
    soname = header.partition("soname: [")[2].partition("]")[0]
    if not soname:
        raise Broken(f"{library} has no soname, or readelf (binutils) is missing")
    OUT.mkdir(parents=True, exist_ok=True)
    link = OUT / soname
    link.unlink(missing_ok=True)
    link.symlink_to(library)
    return compile_c(name, [f"-I{ROOT}/include", link, f"-Wl,-rpath,{OUT}"])


def compile_c(name: str, more: list[str | Path]) -> Path:
    """Compiles `bench/c/NAME.c`."""
    OUT.mkdir(parents=True, exist_ok=True)
    out = OUT / name
    compiler = os.environ.get("CC", "cc")
    flags = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror"]
    built = run([compiler, *flags, BENCH / "c" / f"{name}.c", "-o", out, "-pthread", *more], ROOT)
    if built.returncode != 0:
        raise Broken(built.stderr)
    return out


class Peer:
    """A program that others' packages are needed for. Built at its first use."""

    def __init__(self, name: str) -> None:
        self.name = name

    def path(self) -> Path:
        """The binary; raises `Missing` if it can't be had."""
        if self.name in os.environ.get("BENCH_WITHOUT", "").split(","):
            raise Missing("left out by BENCH_WITHOUT")
        built = go(self.name) if (BENCH / "go" / self.name).exists() else rust(self.name)
        if isinstance(built, str):
            raise Missing(built)
        return built


@cache
def go(name: str) -> Path | str:
    """The binary of `bench/go/NAME`, or why there is none."""
    if not shutil.which("go"):
        return "no Go toolchain"
    folder, out = BENCH / "go" / name, OUT / f"go-{name}"
    flags = ["-buildvcs=false", "-mod=readonly"]
    built = run(["go", "build", *flags, "-o", out, "."], folder, CGO_ENABLED="0", GOWORK="off")
    if built.returncode == 0:
        return out
    if run(["go", "list", *flags, "-deps", "."], folder, GOWORK="off").returncode == 0:
        raise Broken(f"bench/go/{name} does not build:\n{built.stderr}")
    return "its Go modules can't be had: " + last_line(built.stderr)


@cache
def rust(name: str) -> Path | str:
    """The binary of `bench/peers/NAME`, or why there is none."""
    folder, target = BENCH / "peers" / name, OUT / "peers"
    if (fetched := run([CARGO, "fetch", "--locked"], folder)).returncode != 0:
        return "its crates can't be had: " + last_line(fetched.stderr)
    built = run([CARGO, "build", "--locked", "--release"], folder, CARGO_TARGET_DIR=str(target))
    if built.returncode != 0:
        raise Broken(f"bench/peers/{name} does not build:\n{built.stderr}")
    return target / "release" / f"gossip-bench-{name}"


def last_line(text: str) -> str:
    """The last line of an error, which tends to be the cause."""
    return (text.strip().splitlines() or ["no reason given"])[-1].strip()
