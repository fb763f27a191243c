#!/usr/bin/env bash
# clang-tidy's bug checks over the product's own code. A file is looked at again only when what the
# compiler sees of it has changed: what passed is remembered by its hash. (clang's lock analysis is
# an error in every clang build, see tools/sanitize.sh.)
set -euo pipefail
cd "$(dirname "$0")/.."
build=build-clang
passed=${HEADRACE_TIDY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/headrace-tidy}
mkdir -p "$passed"
cmake -S . -B $build -G Ninja -DCMAKE_BUILD_TYPE=Release -DHEADRACE_TESTS=OFF \
  -DCMAKE_CXX_COMPILER=clang++-19 -DCMAKE_C_COMPILER=clang-19 >/dev/null
export build passed
check() {
  flags=(-std=c++23 -Isrc -Iinclude -Iapps/worker -DHEADRACE_VERSION='"0"' -D_GLIBCXX_ASSERTIONS)
  key=$({ cat .clang-tidy; clang++-19 "${flags[@]}" -E -P "$1"; } | sha256sum | cut -c1-40)
  [ -e "$passed/$key" ] && return 0
  # A path analysis that ends after 40,000 nodes a function: half the time of the default.
  clang-tidy-19 -p "$build" --quiet --warnings-as-errors='*' \
    --extra-arg={-Xclang,-analyzer-config,-Xclang,max-nodes=40000} "$1" 2>/dev/null || return 1
  touch "$passed/$key"
}
export -f check
git ls-files 'src/*.cpp' 'apps/*.cpp' \
  | grep -vE '_(test|bench|fuzz|avx2|avx512|avx512vnni|avx512amx|neon)\.cpp$' \
  | xargs -P "$(nproc)" -I{} bash -c 'check {}'
echo "clang-tidy: clean"
