#!/bin/sh
# Runs the Python tests and the type checker in a virtual environment of their own.
#
# Where pytest and mypy can't be had, that is said and skipped; with CI=true it is a failure.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
venv=${CARGO_TARGET_DIR:-target}/venv

if ! [ -x "$venv/bin/pytest" ] || ! [ -x "$venv/bin/mypy" ]; then
    if ! { "$python" -m venv "$venv" && "$venv/bin/pip" install --quiet pytest mypy; }; then
        echo "SKIPPED: pytest and mypy can't be installed; the Python binding is not tested" >&2
        [ "${CI:-}" != true ]
        exit
    fi
fi
venv=$(cd "$venv" && pwd)
cd bindings/python
"$venv/bin/python" -m pytest -q tests
"$venv/bin/python" -m mypy --strict src
