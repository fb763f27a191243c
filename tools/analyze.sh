#!/usr/bin/env bash
# clang's view of everything: -Werror=thread-safety over all sources, clang-tidy's bug checks over
# the product's own code.
set -euo pipefail
cd "$(dirname "$0")/.."
build=build-clang
cmake -S . -B $build -G Ninja -DCMAKE_BUILD_TYPE=Release -DHEADRACE_TESTS=ON \
  -DCMAKE_CXX_COMPILER=clang++-19 -DCMAKE_C_COMPILER=clang-19 >/dev/null
cmake --build $build -j "$(nproc)"
git ls-files 'src/*.cpp' 'apps/*.cpp' | grep -vE '_(test|bench|fuzz|avx2|avx512|avx512vnni)\.cpp$' \
  | xargs -P "$(nproc)" -n 4 clang-tidy-19 -p $build --quiet --warnings-as-errors='*' 2>/dev/null
