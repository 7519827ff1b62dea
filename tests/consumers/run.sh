#!/usr/bin/env bash
# Builds and runs the same little program in each way that users get at the library.
#   bash tests/consumers/run.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
root=$(cd ../.. && pwd)
source "$root/cmake/install_dependencies.sh"
choose_compiler
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say "install"
cmake -S "$root" -B "$work/library" -DPUSHFORWARD_BUILD_TESTS=OFF -DPUSHFORWARD_BUILD_EXAMPLES=OFF \
  -DPUSHFORWARD_BUILD_BENCHMARKS=OFF -DCMAKE_INSTALL_PREFIX="$work/installed" >/dev/null
cmake --install "$work/library" >/dev/null

for project in find_package add_subdirectory fetch_content compiled; do
  say "$project"
  cmake -S $project -B "$work/$project" -DPUSHFORWARD_SOURCE="$root" -DCMAKE_PREFIX_PATH="$work/installed" >/dev/null
  cmake --build "$work/$project" -j "$(getconf _NPROCESSORS_ONLN)"
  "$work/$project/consumer"
done

say "no build system"
"${CXX:-c++}" -std=c++20 -I "$root/include" -I "$(eigen_include)" source/main.cpp source/other.cpp -o "$work/bare"
"$work/bare"
