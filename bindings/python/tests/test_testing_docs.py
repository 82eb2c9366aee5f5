"""The examples of the manual's page on testing, and the one that tests a service."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
BLOCKS = re.findall(r"<!-- tested -->\n```python\n(.*?)```", (ROOT / "docs/python-testing.md").read_text(), re.S)


def test_the_page_has_its_examples() -> None:
    assert len(BLOCKS) == 3


def test_the_examples_of_the_page_run() -> None:
    for block in BLOCKS:
        names: dict[str, Any] = {}
        exec(compile(block, "docs/python-testing.md", "exec"), names)


@pytest.mark.parametrize("seed", ["", "7"])
def test_the_service_of_the_examples_is_tested(seed: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "bindings/python/src")}
    if seed:
        environment["GOSSIP_SEED"] = seed
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    ran = subprocess.run(
        [*command, ROOT / "examples/python/test_my_service.py"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout
    assert ("4 passed" if seed else "10 passed") in ran.stdout
