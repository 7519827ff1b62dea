#!/usr/bin/env bash
# Installs what is missing, builds the tests and runs them through CTest.
#   bash tests/run.sh [--preset NAME] [CTEST ARGUMENT ...]      for example: bash tests/run.sh -R nn/
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source cmake/install_dependencies.sh

preset=dev
if [ "${1:-}" = --preset ]; then
  preset=$2
  shift 2
fi
install_dependencies compiler cmake eigen zlib catch2
if [ -z "${PUSHFORWARD_DATA:-}" ] && [ -d ../shared/data ]; then export PUSHFORWARD_DATA=$(cd ../shared/data && pwd); fi
jobs=$(getconf _NPROCESSORS_ONLN)

say "building the tests in build/$preset"
cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset" -j "$jobs"
say "running the tests"
ctest --preset "$preset" -j "$jobs" "$@"
