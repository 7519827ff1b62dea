#!/usr/bin/env bash
# Checks that every header compiles alone, without a warning.
#   bash .ci/check_headers.sh [COMPILER]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source cmake/install_dependencies.sh
export compiler=${1:-${CXX:-g++}} eigen=$(eigen_include)

check() {
  # A header as the main file would warn of its #pragma once.
  echo "#include <${1#include/}>" |
    "$compiler" -std=c++20 -fsyntax-only -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror \
      -I include -isystem "$eigen" -x c++ - ||
    { echo "$1 does not compile alone"; return 1; }
}
export -f check
find include -name '*.hpp' | sort | xargs -P "$(getconf _NPROCESSORS_ONLN)" -I{} bash -c 'check {}'
echo "$(find include -name '*.hpp' | wc -l) headers compile alone"
