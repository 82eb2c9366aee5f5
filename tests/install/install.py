#!/usr/bin/env python3
"""Installs libgossip, moves the tree, and uses it as programs do: install.py BUILD_FOLDER

The folder is one that CMake has configured and built. Tools that are missing are skipped in sight of all; with CI=true
that is a failure.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import examples

ROOT = Path(__file__).resolve().parents[2]
CONSUMER = ROOT / "tests/install/consumer"
BUILD = Path()
WORK = Path()
TREE = Path()

STRICT = ["-Wall", "-Wextra", "-Wconversion", "-Wundef", "-pedantic", "-Werror"]
# What the library may need: the C library, in its parts, and the unwinder.
SYSTEM = re.compile(r"(libc|libm|libpthread|libdl|librt|libutil|libgcc_s|ld-linux[\w-]*)\.so\.\d+")


def run(*command: str | Path, **more: object) -> str:
    """What a command prints; it must end well."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False, **more)  # type: ignore[call-overload]
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(words)} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return str(done.stdout)


def need(tool: str) -> str:
    """The tool, or the end of this test."""
    found = shutil.which(tool)
    if found:
        return found
    if os.environ.get("CI") == "true":
        raise AssertionError(f"{tool} is missing")
    raise unittest.SkipTest(f"SKIPPED: no {tool}")


def version() -> str:
    """The version of the workspace."""
    found = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)
    assert found
    return found[1]


SONAME = "libgossip.so." + ".".join(version().split(".")[:2])


def package(*words: str, tree: Path | None = None) -> list[str]:
    """What pkg-config says about the tree, and nothing else."""
    need("pkg-config")
    found = {"PKG_CONFIG_LIBDIR": str((tree or TREE) / "lib/pkgconfig"), "PATH": os.environ["PATH"]}
    return run("pkg-config", *words, env=found).split()


def loading() -> dict[str, str]:
    """The environment in which the loader finds the tree's library."""
    return {**os.environ, "LD_LIBRARY_PATH": str(TREE / "lib")}


def needed(program: Path) -> list[str]:
    """The shared libraries that a program or library names."""
    return re.findall(r"\(NEEDED\).*\[(.*)\]", run(need("readelf"), "--dynamic", "--wide", program))


def setUpModule() -> None:
    """Installs, and moves what was installed."""
    global TREE
    first = WORK / "first"
    run("cmake", "--install", BUILD, "--prefix", first, env={k: v for k, v in os.environ.items() if k != "DESTDIR"})
    TREE = first.rename(WORK / "moved here")


class Tree(unittest.TestCase):
    """What is in the tree."""

    def test_everything_is_where_packagers_expect_it(self) -> None:
        files = {str(path.relative_to(TREE)) for path in TREE.rglob("*") if not path.is_dir()}
        expected = {
            "include/gossip/gossip.h",
            "lib/libgossip.a",
            "lib/libgossip.so",
            f"lib/{SONAME}",
            f"lib/libgossip.so.{version()}",
            "lib/pkgconfig/gossip.pc",
            "lib/pkgconfig/gossip-static.pc",
            "lib/cmake/gossip/gossipConfig.cmake",
            "lib/cmake/gossip/gossipConfigVersion.cmake",
            "share/doc/gossip/LICENSE-MIT",
            "share/doc/gossip/LICENSE-APACHE",
            "share/doc/gossip/THIRD_PARTY.md",
        }
        headers = {f"include/gossip/{path.name}" for path in (ROOT / "include/gossip").iterdir()}
        self.assertEqual(set(), (expected | headers) - files)
        self.assertEqual(f"libgossip.so.{version()}", os.readlink(TREE / "lib" / SONAME))
        self.assertEqual(SONAME, os.readlink(TREE / "lib/libgossip.so"))

    def test_nothing_names_the_place_where_it_was_installed_or_built(self) -> None:
        for path in [*(TREE / "lib/pkgconfig").iterdir(), *(TREE / "lib/cmake/gossip").iterdir()]:
            for place in (WORK / "first", BUILD, ROOT):
                self.assertNotIn(str(place), path.read_text(), path.name)

    def test_the_version_is_one_everywhere(self) -> None:
        self.assertEqual([version()], package("--modversion", "gossip"))
        self.assertEqual([version()], package("--modversion", "gossip-static"))
        header = (TREE / "include/gossip/gossip.h").read_text()
        parts = [re.search(rf"GOSSIP_VERSION_{part} (\d+)", header) for part in ("MAJOR", "MINOR", "PATCH")]
        self.assertEqual(version(), ".".join(part[1] for part in parts if part))

    def test_make_install_puts_the_same_files_below_destdir_and_prefix(self) -> None:
        root = WORK / "root"
        given = [f"DESTDIR={root}", "PREFIX=/opt/gossip", f"INSTALL_BUILD={BUILD}"]
        run(need("make"), "--directory", ROOT, "install", *given)
        there = root / "opt/gossip"
        files = {path.relative_to(there) for path in there.rglob("*")}
        self.assertEqual({path.relative_to(TREE) for path in TREE.rglob("*")}, files)


class Symbols(unittest.TestCase):
    """What the libraries show and what they need."""

    def test_header_shared_and_static_library_have_the_same_functions_and_nothing_else(self) -> None:
        nm = need("nm")
        header = (TREE / "include/gossip/gossip.h").read_text()
        code = re.sub(r"//[^\n]*|/\*.*?\*/", "", header, flags=re.DOTALL)
        declared = set(re.findall(r"^\S.*[ *](gossip_\w+)\(", code, re.MULTILINE))
        self.assertGreater(len(declared), 80)
        listed = {
            "shared": run(nm, "-D", "--defined-only", "--format=posix", TREE / "lib/libgossip.so"),
            "static": run(nm, "-g", "--defined-only", "--format=posix", TREE / "lib/libgossip.a"),
        }
        for library, lines in listed.items():
            symbols = [line.split() for line in lines.splitlines() if re.match(r"\w+ [A-Za-z] ", line)]
            self.assertEqual(declared, {name for name, *_ in symbols}, library)
            self.assertEqual({"T"}, {kind for _, kind, *_ in symbols}, f"{library}: no data is exported")

    def test_the_shared_library_needs_the_system_and_nothing_else(self) -> None:
        for name in needed(TREE / "lib/libgossip.so"):
            self.assertRegex(name, f"^{SYSTEM.pattern}$")

    def test_the_shared_library_is_named_by_its_version_bound_at_once_and_never_unloaded(self) -> None:
        dynamic = run(need("readelf"), "--dynamic", "--wide", TREE / "lib/libgossip.so")
        self.assertIn(f"[{SONAME}]", dynamic)
        self.assertIn("NODELETE", dynamic)
        self.assertIn("NOW", dynamic)
        self.assertNotIn("TEXTREL", dynamic)
        self.assertNotIn("RPATH", dynamic)
        self.assertNotIn("RUNPATH", dynamic)

    def test_loading_the_library_runs_no_code_of_ours(self) -> None:
        # Two constructors: the compiler's frame_dummy, and that of Rust's std, which keeps argc and argv.
        dynamic = run(need("readelf"), "--dynamic", "--wide", TREE / "lib/libgossip.so")
        size = re.search(r"INIT_ARRAYSZ\)\s+(\d+)", dynamic)
        self.assertLessEqual(int(size[1]) if size else 0, 16)

    def test_another_rust_library_can_stand_beside_the_static_one(self) -> None:
        rustc = need(os.environ.get("RUSTC", "rustc"))
        (WORK / "other.rs").write_text(
            '#[unsafe(no_mangle)]\npub extern "C" fn other() -> i32 { std::thread::spawn(|| 7).join().unwrap_or(0) }\n'
        )
        run(rustc, "--edition=2024", "--crate-type=staticlib", "other.rs", cwd=WORK)
        (WORK / "both.c").write_text(
            "#include <gossip/gossip.h>\n#include <stdint.h>\nint32_t other(void);\n"
            "int main(void) { return !(other() == 7 && gossip_abi_check(GOSSIP_ABI_VERSION) == GOSSIP_OK); }\n"
        )
        # The second library is taken whole, so that every symbol that both have would meet.
        whole = ["-Wl,--whole-archive", "libother.a", "-Wl,--no-whole-archive"]
        flags = [word.replace("\\", "") for word in self.static_words()]
        run(need("cc"), "both.c", *whole, *flags, "-o", "both", cwd=WORK)
        run(WORK / "both")

    @staticmethod
    def static_words() -> list[str]:
        """What a program with the static library is compiled with, without pkg-config."""
        config = (TREE / "lib/pkgconfig/gossip.pc").read_text()
        private = re.search(r"^Libs.private: (.*)$", config, re.MULTILINE)
        assert private
        return [f"-I{TREE / 'include'}", "-DGOSSIP_STATIC", str(TREE / "lib/libgossip.a"), *private[1].split()]


class PkgConfig(unittest.TestCase):
    """Programs that find the library by pkg-config; the tree stands where no blank is in the path."""

    tree: Path

    @classmethod
    def setUpClass(cls) -> None:
        cls.tree = WORK / "plain"
        shutil.copytree(TREE, cls.tree, symlinks=True)

    def build(self, compiler: str, source: Path, *words: str) -> Path:
        program = WORK / f"{source.stem}-{self.id().rsplit('.', 1)[-1]}"
        run(need(compiler), *STRICT, source, *words, "-o", program)
        return program

    def shared(self) -> list[str]:
        return package("--cflags", "--libs", "gossip", tree=self.tree)

    def test_c_shared(self) -> None:
        program = self.build("cc", CONSUMER / "consumer.c", "-std=c99", *self.shared())
        self.assertIn(SONAME, needed(program))
        self.assertIn("works", run(program, env=loading()))

    def test_cpp_shared(self) -> None:
        program = self.build("c++", CONSUMER / "consumer.cpp", "-std=c++17", *self.shared())
        self.assertIn(SONAME, needed(program))
        self.assertIn("works", run(program, env=loading()))

    def test_c_static_by_the_package_that_is_always_static(self) -> None:
        words = package("--cflags", "--libs", "gossip-static", tree=self.tree)
        program = self.build("cc", CONSUMER / "consumer.c", "-std=c99", *words)
        self.assertNotIn(SONAME, needed(program))
        self.assertIn("works", run(program))

    def test_cpp_static(self) -> None:
        words = package("--cflags", "--libs", "gossip-static", tree=self.tree)
        program = self.build("c++", CONSUMER / "consumer.cpp", "-std=c++17", *words)
        self.assertNotIn(SONAME, needed(program))
        self.assertIn("works", run(program))

    def test_c_static_where_only_the_static_library_is_installed(self) -> None:
        tree = WORK / "static"
        shutil.copytree(TREE, tree, symlinks=True, ignore=shutil.ignore_patterns("*.so*"))
        words = package("--static", "--cflags", "--libs", "gossip", tree=tree)
        program = self.build("cc", CONSUMER / "consumer.c", "-std=c99", *words)
        self.assertNotIn(SONAME, needed(program))
        self.assertIn("works", run(program))

    def test_every_example_builds_from_the_installed_tree_and_runs(self) -> None:
        for source in examples.sources():
            installed = self.tree / "share/doc/gossip/examples" / source.relative_to(ROOT / "examples")
            program = WORK / source.parent.name / source.stem
            program.parent.mkdir(exist_ok=True)
            compiler = ("cc", "-std=c99") if source.suffix == ".c" else ("c++", "-std=c++17")
            run(need(compiler[0]), compiler[1], *STRICT, installed, *self.shared(), "-pthread", "-o", program)
            examples.run(program, loading())


class CMake(unittest.TestCase):
    """Programs that find the library by CMake, in a path with a blank."""

    def consumers(self, name: str, *words: str, source: Path = CONSUMER) -> Path:
        build = WORK / name
        run(need("cmake"), "-S", source, "-B", build, *words)
        run("cmake", "--build", build)
        return build

    def all_work(self, build: Path) -> None:
        for program in ("c-gossip", "c-static", "cpp-gossip", "cpp-static"):
            self.assertIn("works", run(build / program))
            self.assertEqual(program.endswith("gossip"), SONAME in needed(build / program), program)

    def test_find_package(self) -> None:
        wanted = ".".join(version().split(".")[:2])
        self.all_work(self.consumers("find", f"-DCMAKE_PREFIX_PATH={TREE}", f"-DGOSSIP_WANTED={wanted}"))

    def test_find_package_refuses_a_version_that_is_not_compatible(self) -> None:
        major, minor, _ = map(int, version().split("."))
        with self.assertRaisesRegex(AssertionError, "compatible"):
            self.consumers("refused", f"-DCMAKE_PREFIX_PATH={TREE}", f"-DGOSSIP_WANTED={major}.{minor + 1}")

    def test_add_subdirectory(self) -> None:
        cache = (BUILD / "CMakeCache.txt").read_text()
        same = re.findall(r"^(GOSSIP_(?:PROFILE|TARGET_DIR|OFFLINE|CARGO)):\w+=(.*)$", cache, re.MULTILINE)
        flags = [f"-D{name}={value}" for name, value in same]
        self.all_work(self.consumers("embed", f"-DGOSSIP_SOURCE={ROOT}", *flags))

    def test_what_the_readme_says_about_cmake_and_pkg_config(self) -> None:
        readme = (ROOT / "README.md").read_text(encoding="utf-8")

        def block(mark: str) -> str:
            found = re.search(rf"<!-- {mark} -->\n```\w+\n(.*?)```", readme, re.DOTALL)
            self.assertIsNotNone(found, mark)
            assert found
            return found[1]

        folder = WORK / "readme"
        folder.mkdir()
        (folder / "service.c").write_text(block("tested: c"))
        (folder / "CMakeLists.txt").write_text(block("tested in tests/install: CMakeLists.txt"))
        build = self.consumers("readme-build", f"-DCMAKE_PREFIX_PATH={TREE}", source=folder)
        self.assertIn("1 member", run(build / "service"))
        need("pkg-config")
        tree = WORK / "readme-tree"
        shutil.copytree(TREE, tree, symlinks=True)
        environment = {**loading(), "PKG_CONFIG_PATH": str(tree / "lib/pkgconfig")}
        run("sh", "-euc", block("tested in tests/install: pkg-config"), cwd=folder, env=environment)
        self.assertIn("1 member", run(folder / "service", env=environment))


if __name__ == "__main__":
    BUILD = Path(sys.argv.pop(1)).resolve()
    with tempfile.TemporaryDirectory() as temporary:
        WORK = Path(temporary).resolve()
        unittest.main(verbosity=2, exit=True)
