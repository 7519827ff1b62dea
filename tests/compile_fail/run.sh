#!/usr/bin/env bash
# Checks that each case in this folder does not compile, and that the compiler says the sentence the case expects.
#   bash tests/compile_fail/run.sh [CASE.cpp ...]
# A case holds one or more lines `// expect: SENTENCE`; both g++ and clang++ must print every one of them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source ../../cmake/install_dependencies.sh
export eigen=$(eigen_include)

check() { # check COMPILER CASE
  local output sentence
  if output=$("$1" -std=c++20 -fsyntax-only -I ../../include -isystem "$eigen" "$2" 2>&1); then
    echo "$2 ($1): compiles, but must not"
    return 1
  fi
  grep -q '^// expect: ' "$2" || { echo "$2: has no line '// expect: SENTENCE'"; return 1; }
  while read -r sentence; do
    if ! grep -qF -- "$sentence" <<<"$output"; then
      echo "$2 ($1): does not say '$sentence', but:"
      head -n 20 <<<"$output"
      return 1
    fi
  done < <(sed -n 's|^// expect: ||p' "$2")
  echo "$2 ($1): refused as expected"
}
export -f check

[ $# -gt 0 ] || { shopt -s nullglob; set -- *.cpp; }
for case in "$@"; do
  for compiler in g++ clang++; do
    if command -v $compiler >/dev/null; then printf '%s %s\n' $compiler "$case"; fi
  done
done | xargs -r -P "$(getconf _NPROCESSORS_ONLN)" -L 1 bash -c 'check "$@"' check
