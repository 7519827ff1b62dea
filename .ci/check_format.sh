#!/usr/bin/env bash
# Checks that clang-format would change nothing; names the files that it would change.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
sources=$(find include tests examples benchmarks -name '*.hpp' -o -name '*.inl' -o -name '*.cpp' | sort)
complaints=$(xargs -n 16 clang-format --dry-run --Werror --ferror-limit=1 <<<"$sources" 2>&1) && exit
grep -F 'error: ' <<<"$complaints" || echo "$complaints"
echo "run clang-format -i on these"
exit 1
