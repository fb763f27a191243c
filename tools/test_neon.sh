#!/usr/bin/env bash
# The kernels' own tests, compiled for ARM64 and run by an emulator: for machines without an ARM CPU.
# Needs g++-aarch64-linux-gnu, qemu-user and googletest (the Debian package of its sources).
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-$(mktemp -d)}
mkdir -p "$out"
gtest=/usr/src/googletest/googletest
compile() { ${CCACHE-} aarch64-linux-gnu-g++ -std=c++23 -O2 -Isrc -I$gtest/include -I$gtest -c "$@"; }
compile $gtest/src/gtest-all.cc -o "$out/gtest.o"
compile $gtest/src/gtest_main.cc -o "$out/gtest_main.o"
for source in aligned_buffer kernels kernels_scalar kernels_neon kernels_avx2 kernels_avx512 kernels_avx512vnni kernels_avx512amx kernels_test; do
  compile src/embed/$source.cpp -o "$out/$source.o"
done
compile -O3 -march=armv8.2-a+dotprod src/embed/kernels_neondot.cpp -o "$out/kernels_neondot.o"
aarch64-linux-gnu-g++ -static "$out"/*.o -o "$out/kernels_tests"
qemu-aarch64 -cpu max "$out/kernels_tests" --gtest_brief=1
qemu-aarch64 -cpu cortex-a53 "$out/kernels_tests" --gtest_brief=1 # without dot products
