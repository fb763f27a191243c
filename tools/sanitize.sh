#!/usr/bin/env bash
# All C++ tests and the fuzz corpora, built by clang with its lock analysis as errors, under one
# sanitizer: tools/sanitize.sh address,undefined|thread
# Under `thread` only what has threads to show: the rooms' tests. HEADRACE_JOBS limits the jobs.
set -euo pipefail
cd "$(dirname "$0")/.."
kind=$1
build=build-${kind%%,*}
jobs=${HEADRACE_JOBS:-$(nproc)}
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1 \
  -DCMAKE_CXX_COMPILER=clang++-19 -DCMAKE_C_COMPILER=clang-19 \
  -DHEADRACE_TESTS=ON -DHEADRACE_SANITIZE="$kind" >/dev/null
target=all
labels=()
if [ "$kind" = thread ]; then
  target=room_tests
  labels=(-L rooms)
fi
cmake --build "$build" -j "$jobs" --target "$target"
printf '== %s: built (%s s)\n' "$kind" "$SECONDS"
model=$(.venv/bin/python tools/model_folder.py 2>/dev/null || true)
# Far fewer crash points than the plain tests try: these look for wrong accesses, not for lost rows.
HEADRACE_TEST_MODEL="$model" ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 \
  TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1 \
  HEADRACE_CRASH_POINTS="${HEADRACE_CRASH_POINTS:-200}" HEADRACE_FAULT_SEEDS="${HEADRACE_FAULT_SEEDS:-1}" \
  ctest --test-dir "$build" --output-on-failure -j "$jobs" "${labels[@]}"
printf '== %s: tested (%s s)\n' "$kind" "$SECONDS"
