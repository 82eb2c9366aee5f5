"""What users see: every public name has a docstring, the examples in them run, and the types hold."""

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import gossip

HERE = Path(__file__).parent.parent
ROOT = HERE.parent.parent


def modules() -> list[ModuleType]:
    """Every module of the package that is Python."""
    names = [module.name for module in pkgutil.iter_modules(gossip.__path__, "gossip.")]
    skipped = ("gossip._core", "gossip.__main__")
    return [gossip, *(importlib.import_module(name) for name in names if name not in skipped)]


def public() -> Iterator[tuple[str, object]]:
    """Every public class and function, and their public members that are defined here."""
    for name in gossip.__all__:
        found = getattr(gossip, name)
        yield name, found
        if isinstance(found, type) and found.__module__.startswith("gossip"):
            for member, value in vars(found).items():
                if not member.startswith("_") and (callable(value) or isinstance(value, property | classmethod)):
                    yield f"{name}.{member}", value


def test_every_public_name_has_a_docstring() -> None:
    # Members that a base of the standard library documents, and enumerations' values, aside.
    bare = [
        name
        for name, value in public()
        if not inspect.getdoc(value) and not isinstance(value, str | bytes | int)
        and (inspect.isroutine(value) or isinstance(value, type | property))
    ]  # fmt: skip
    assert not bare


def test_every_field_and_alias_is_explained_below_it() -> None:
    bare = []
    for module in modules():
        assert module.__file__
        tree = ast.parse(Path(module.__file__).read_text())
        if not ast.get_docstring(tree):
            bare.append(module.__name__)
        for owner in [node for node in tree.body if isinstance(node, ast.ClassDef)]:
            if owner.name not in gossip.__all__:
                continue
            for field, below in zip(owner.body, [*owner.body[1:], None], strict=True):
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                    explained = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
                    if not explained and not field.target.id.startswith("_"):
                        bare.append(f"{owner.name}.{field.target.id}")
    assert not bare


def test_the_examples_in_docstrings_run() -> None:
    results = [doctest.testmod(module, optionflags=doctest.ELLIPSIS) for module in modules()]

    assert sum(result.attempted for result in results) >= 10
    assert sum(result.failed for result in results) == 0


def test_the_version_is_that_of_the_workspace() -> None:
    (version,) = re.findall(r'^version = "(.+)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)

    assert gossip.__version__ == gossip._core.__version__ == version


def test_another_version_of_the_compiled_part_is_refused(tmp_path: Path) -> None:
    copy = tmp_path / "gossip"
    shutil.copytree(HERE / "src" / "gossip", copy, ignore=shutil.ignore_patterns("__pycache__"))
    init = copy / "__init__.py"
    init.write_text(init.read_text().replace('__version__ = "', '__version__ = "9'))

    ended = subprocess.run(
        [sys.executable, "-c", "import gossip"], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(tmp_path)},
    )  # fmt: skip

    assert ended.returncode != 0
    assert "install it anew" in ended.stderr


def test_the_package_says_that_it_is_typed() -> None:
    assert (HERE / "src" / "gossip" / "py.typed").exists()


def blocks(page: Path) -> list[str]:
    """The programs in a page: blocks of Python that are complete."""
    found = re.findall(r"<!-- tested -->\n```python\n(.*?)```", page.read_text(), re.DOTALL)
    return [str(block) for block in found]


PAGES = [HERE / "README.md", ROOT / "docs" / "python.md", ROOT / "docs" / "python-servers.md"]


@pytest.mark.parametrize(
    ("page", "number"), [(page, number) for page in PAGES for number in range(len(blocks(page)))],
    ids=lambda value: value.name if isinstance(value, Path) else str(value),
)  # fmt: skip
def test_the_programs_in_the_manual_run(page: Path, number: int, tmp_path: Path) -> None:
    # A file, because new processes of `multiprocessing` import it.
    program = tmp_path / "program.py"
    program.write_text(blocks(page)[number])
    ended = subprocess.run(
        [sys.executable, "-W", "error", str(program)], capture_output=True, text=True,
        timeout=60, check=False, env={"PYTHONPATH": str(HERE / "src")},
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr and "Warning" not in ended.stderr


def test_the_manual_has_programs() -> None:
    assert len(blocks(PAGES[1])) >= 5
    assert len(blocks(PAGES[2])) >= 2
