"""What must stay true of the border between Rust and Python, read from the sources."""

import ast
import re
from pathlib import Path

from gossip import _core

HERE = Path(__file__).parent.parent
RUST = sorted((HERE / "rust" / "src").glob("*.rs"))


def test_no_rust_thread_attaches_and_rust_keeps_no_python_object() -> None:
    assert RUST
    for source in RUST:
        for number, line in enumerate(source.read_text().splitlines(), 1):
            code = line.split("//")[0]
            assert not re.search(r"\battach\(|\bPy<", code), f"{source.name}:{number}: {line}"


def test_the_stub_has_the_names_of_the_module() -> None:
    stub = ast.parse((HERE / "src" / "gossip" / "_core.pyi").read_text())
    classes = {node.name: node for node in stub.body if isinstance(node, ast.ClassDef)}
    functions = {node.name for node in stub.body if isinstance(node, ast.FunctionDef)}

    assert {name for name in vars(_core) if not name.startswith("_")} == functions | set(classes)
    for name, node in classes.items():
        stated = {method.name for method in node.body if isinstance(method, ast.FunctionDef)} - {"__new__"}
        there = {method for method in vars(getattr(_core, name)) if not method.startswith("__")}
        assert stated == there, name
