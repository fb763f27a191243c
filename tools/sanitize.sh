#!/usr/bin/env bash
# All C++ tests and the fuzz corpora, built by clang with its lock analysis as errors, under one
# sanitizer: tools/sanitize.sh address,undefined|thread
set -euo pipefail
cd "$(dirname "$0")/.."
kind=$1
build=build-${kind%%,*}
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1 \
  -DCMAKE_CXX_COMPILER=clang++-19 -DCMAKE_C_COMPILER=clang-19 \
  -DHEADRACE_TESTS=ON -DHEADRACE_SANITIZE="$kind" >/dev/null
cmake --build "$build" -j "$(nproc)"
model=$(.venv/bin/python tools/model_folder.py 2>/dev/null || true)
HEADRACE_TEST_MODEL="$model" ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 \
  TSAN_OPTIONS=halt_on_error=1 HEADRACE_CRASH_POINTS=500 HEADRACE_FAULT_SEEDS=1 ctest --test-dir "$build" --output-on-failure -j "$(nproc)"
