#!/bin/sh
# Runs the Python tests, the type checkers, and the package as users install it, in virtual
# environments of their own.
#
# What can't be had is said and skipped; with CI=true it is a failure.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
target=${CARGO_TARGET_DIR:-target}
venv=$target/venv
tools="pytest mypy pyright maturin"

skip() {
    echo "SKIPPED: $1" >&2
    [ "${CI:-}" != true ] || exit 1
}

# Whether every tool is there, installed if need be.
have() {
    for tool in "$@"; do
        [ -x "$venv/bin/$tool" ] || return 1
    done
}
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv" || true
for tool in $tools; do
    have "$tool" || "$venv/bin/python" -m pip install --quiet "$tool" || skip "$tool can't be installed"
done
# Servers and loops that the binding is tested with; tests say what they skip.
for package in aiohttp gunicorn hypercorn starlette uvicorn uvloop waitress; do
    "$venv/bin/python" -c "import $package" 2>/dev/null || "$venv/bin/python" -m pip install --quiet "$package" ||
        skip "$package can't be installed"
done

# The command's terminal, and the browser that looks at its page.
"$venv/bin/python" -c 'import playwright, rich' 2>/dev/null || "$venv/bin/python" -m pip install --quiet playwright rich \
    || skip "playwright and rich can't be installed; some tests of the command and its page are skipped"

target=$(cd "$target" && pwd)
venv=$target/venv
cd bindings/python

if have pytest; then
    "$venv/bin/python" -m pytest -q tests
fi

if have mypy; then
    "$venv/bin/python" -m mypy --strict src
    MYPYPATH=src "$venv/bin/python" -m mypy --strict tests ../../examples/python/*.py bench.py
    (cd ../../bench && "$venv/bin/python" -m mypy --strict .)
    # The stub of the compiled part is what the binary says, name by name and argument by argument.
    PYTHONPATH=src MYPYPATH=src "$venv/bin/python" -m mypy.stubtest gossip._core
fi

# pyright is a program for Node, which its first run fetches.
if have pyright; then
    if "$venv/bin/pyright" --version >/dev/null 2>&1; then
        "$venv/bin/pyright" --pythonpath "$venv/bin/python" src tests ../../examples/python bench.py
        PYTHONPATH=src "$venv/bin/pyright" --pythonpath "$venv/bin/python" --verifytypes gossip --ignoreexternal
    else
        skip "pyright can't fetch Node; the types are checked by mypy alone"
    fi
fi

# What `pip install` does, from the source distribution, in an environment without anything else.
if have maturin; then
    dist=$target/python-dist
    rm -rf "$dist"
    "$venv/bin/maturin" sdist --out "$dist" >"$dist.log" 2>&1 || { cat "$dist.log" >&2; exit 1; }
    rm -rf "$dist/venv"
    "$python" -m venv "$dist/venv"
    if "$dist/venv/bin/pip" download --quiet --no-deps --dest "$dist/probe" 'maturin>=1.16,<2'; then
        # A debug build of what is built already: what is tested is the package, not the optimiser.
        CARGO_TARGET_DIR=$target "$dist/venv/bin/pip" install --quiet \
            --config-settings=build-args="--profile=dev" "$dist"/libgossip-*.tar.gz
        "$dist/venv/bin/python" -W error tests/installed.py
    else
        skip "maturin can't be downloaded; the package is not built as pip does"
    fi
fi
