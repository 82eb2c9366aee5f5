# make demo · make test · make bench · make install PREFIX=/usr/local DESTDIR=
#
# Thin on purpose: every line is a command that one can also type.

PYTHON ?= python3
CC     ?= cc
CXX    ?= c++
CARGO  ?= cargo

TARGET  = $(or $(CARGO_TARGET_DIR),target)
OUT     = $(TARGET)/demo
PYPATH  = PYTHONPATH=$(CURDIR)/bindings/python/src
SONAME  = libgossip.so.$(shell sed -n 's/^version = "\([0-9]*\.[0-9]*\).*/\1/p' Cargo.toml | head -n 1)
# Compiles a program against the library just built, which it finds by its run path.
C99     = $(CC) -std=c99 -Wall -Wextra -pedantic -Iinclude
CXX17   = $(CXX) -std=c++17 -Wall -Wextra -pedantic -Iinclude
LINK    = -L$(TARGET)/debug -lgossip -Wl,-rpath,$(abspath $(TARGET)/debug)

.PHONY: demo library install test test-rust test-c test-install test-ffi test-python test-interop test-demo test-bench
.PHONY: wheel seeds soak relay-table bench bench-core bench-python fuzz header abi licences docs lint clean

demo: $(OUT)/demo_node
	@$(PYPATH) $(PYTHON) tests/demo/demo.py $(OUT)/demo_node examples/python/demo_node.py \
		$(TARGET)/debug/examples/demo_node

# Everything that the demo runs: the C library and program, the Python module, the Rust program.
$(OUT)/demo_node: built
	@mkdir -p $(OUT)
	@ln -sf libgossip.so $(TARGET)/debug/$(SONAME)
	@$(C99) examples/c/demo_node.c -o $@ $(LINK) -pthread

.PHONY: built
built:
	@echo "building the library for C, Python and Rust; the first time takes some minutes"
	@$(CARGO) build --quiet --locked -p gossip-core -p gossip-ffi --lib
	@$(CARGO) build --quiet --locked -p gossip-core --examples
	@$(PYTHON) bindings/python/dev_build.py --quiet --locked >/dev/null

# libgossip for C and C++. CMAKE_FLAGS are options of CMakeLists.txt, such as -DGOSSIP_STATIC=OFF. To install into a
# folder of root's, build first: make library PREFIX=/usr/local && sudo cmake --install target/cmake-release
PREFIX        ?= /usr/local
INSTALL_BUILD ?= $(TARGET)/cmake-release
library:
	cmake -S . -B $(INSTALL_BUILD) -DCMAKE_INSTALL_PREFIX=$(PREFIX) -DGOSSIP_TARGET_DIR=$(abspath $(TARGET)) $(CMAKE_FLAGS)
	cmake --build $(INSTALL_BUILD)

install: library
	DESTDIR=$(DESTDIR) cmake --install $(INSTALL_BUILD)

test: test-rust test-c test-install test-ffi test-python test-interop test-demo test-bench
	@echo "make test: every part passed"

test-rust:
	$(CARGO) test --locked --no-fail-fast -p gossip-core
	$(CARGO) check --locked -p gossip-core --no-default-features

test-c:
	$(CARGO) build --locked -p gossip-ffi
	$(CARGO) test --locked --no-fail-fast -p gossip-ffi

# The library as programs find it once it is installed, built by the debug profile to save time.
test-install:
	PYTHON=$(PYTHON) CARGO=$(CARGO) tests/install/run.sh

# The library as other languages call it, without a binding of ours.
test-ffi:
	$(CARGO) build --locked -p gossip-ffi --lib
	$(PYTHON) tests/ffi/ffi.py $(TARGET)/debug/libgossip.so

test-python: built
	PYTHON=$(PYTHON) tests/python.sh

test-interop:
	$(CARGO) test --locked --no-fail-fast -p gossip-interop

# The tables and pictures of the benchmarks; what runs them is make bench SHORT=1.
test-bench:
	$(PYTHON) bench/test_harness.py

test-demo: demo
	@$(PYPATH) $(PYTHON) tests/demo/readme.py $(C99) -- $(CXX17) -- $(LINK)

# Ten thousand nodes, one after the other: make soak SOAK_CYCLES=100000
SOAK_CYCLES ?= 10000
soak:
	GOSSIP_SOAK_CYCLES=$(SOAK_CYCLES) $(CARGO) test --locked -p gossip-ffi --test c_programs \
		many_nodes_leave_nothing_behind -- --nocapture

# For Python: one wheel for 3.11 and all later versions, and the source distribution, in target/wheels, tested in an
# environment of its own. It runs where the C library is as new as here; for older ones, after pip install ziglang:
# make wheel WHEEL_FLAGS='--zig --compatibility manylinux2014'
MATURIN ?= $(firstword $(wildcard $(abspath $(TARGET))/venv/bin/maturin) maturin)
wheel:
	rm -rf $(TARGET)/wheels
	cd bindings/python && $(MATURIN) sdist --out $(abspath $(TARGET))/wheels
	cd bindings/python && $(MATURIN) build --release --locked --out $(abspath $(TARGET))/wheels $(WHEEL_FLAGS)
	$(PYTHON) -m venv --clear $(TARGET)/wheels/venv
	$(TARGET)/wheels/venv/bin/pip install --quiet --no-index $(TARGET)/wheels/*.whl
	$(TARGET)/wheels/venv/bin/python -W error bindings/python/tests/installed.py

# A campaign: make seeds SEEDS=100000
SEEDS ?= 200
seeds:
	GOSSIP_SEEDS=$(SEEDS) $(CARGO) test --release --locked -p gossip-core --test 'sim_*'

# The measurements of docs/broadcast.md; 3000 members take some 10 GB: make relay-table RELAY_NODES=3,300
RELAY_NODES ?= 3,30,300,3000
RELAY_LOSS ?= 0,0.05,0.2
relay-table:
	GOSSIP_RELAY_NODES=$(RELAY_NODES) GOSSIP_RELAY_LOSS=$(RELAY_LOSS) $(CARGO) test --release --locked -p gossip-core --test sim_relay_table \
		-- --ignored --nocapture

# Beside others, in one run, as ratios; all cases write docs/performance.md. make bench CASE=codec ROUNDS=9
bench:
	CARGO=$(CARGO) CC=$(CC) $(PYTHON) bench/bench.py $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SHORT),--short) $(CASE)

# Parts of the core alone, to see what a change does: codec, machine, port.
bench-core:
	$(CARGO) bench --locked -p gossip-core

# What `import gossip` costs.
bench-python:
	$(PYTHON) bindings/python/dev_build.py --quiet --locked --release >/dev/null
	$(PYTHON) bindings/python/bench.py

# Needs a nightly toolchain and cargo-fuzz: make fuzz FUZZ_SECONDS=600
FUZZ_SECONDS ?= 60
# What programs hand to the C interface needs neither.
FUZZ_CASES   ?= 100000
fuzz:
	cd gossip-core && for target in datagram stream lzw machine envelope; do \
		$(CARGO) +nightly fuzz run $$target -- -max_total_time=$(FUZZ_SECONDS) -max_len=4096 || exit 1; \
	done
	PROPTEST_CASES=$(FUZZ_CASES) $(CARGO) test --locked -p gossip-ffi --test fuzz

# Rewrites include/gossip/gossip.h from the Rust source; the tests fail while it is stale.
header:
	UPDATE_HEADER=1 $(CARGO) test --locked -p gossip-ffi --test header

# Makes today's binary interface the one that later changes are compared with. At a release, and when the version
# that the linker knows (libgossip.so.0.1) is raised because programs must be compiled again.
abi:
	UPDATE_ABI=1 $(CARGO) test --locked -p gossip-ffi --test abi

# Rewrites THIRD_PARTY.md from Cargo.lock; the tests fail while it is stale.
licences:
	UPDATE_LICENCES=1 $(CARGO) test --locked -p gossip-ffi --test third_party

# Rewrites the tables in docs/ that are made from the Rust source; the tests fail while they are stale.
docs:
	UPDATE_DOCS=1 $(CARGO) test --locked -p gossip-core --test docs
	UPDATE_DOCS=1 $(CARGO) test --locked -p gossip-ffi --test manual

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps -p gossip-core -p gossip-ffi

clean:
	$(CARGO) clean
	rm -f bindings/python/src/gossip/_core.abi3.so
