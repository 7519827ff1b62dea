#!/usr/bin/env bash
# Installs what is missing, builds the examples for this CPU, runs them and names the pictures they wrote.
#   bash examples/run.sh [--data DIR] [--out DIR] [EXAMPLE ...] [-- ARGUMENT ...]
# EXAMPLE is the name of a file in this folder without .cpp, or of a folder (default: the short form of the gallery, 3
# minutes). The data sets are looked for in $PUSHFORWARD_DATA without --data, pictures go to out/ without --out.
# ARGUMENTs go to every example.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
data=${PUSHFORWARD_DATA:-} out=$root/out examples=()
while [ $# -gt 0 ]; do
  case $1 in
    --data) data=$(cd "$2" && pwd); shift 2 ;;
    --out) out=$2; shift 2 ;;
    --help) sed -n '2,6s/^# //p' "$0"; exit ;;
    --) shift; break ;;
    *) examples+=("$1"); shift ;;
  esac
done
[ ${#examples[@]} -gt 0 ] || { examples=(gallery); set -- --quick "$@"; }

mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$root"
source cmake/install_dependencies.sh
install_dependencies compiler cmake eigen zlib
if [ -z "$data" ] && [ -d ../shared/data ]; then data=$(cd ../shared/data && pwd); fi
[ -z "$data" ] || export PUSHFORWARD_DATA=$data

started=$(mktemp)
say "building ${examples[*]} in build/release"
cmake --preset release >/dev/null
cmake --build --preset release -j "$(getconf _NPROCESSORS_ONLN)" --target "${examples[@]/#/example_}"
for example in "${examples[@]}"; do
  say "$example"
  build/release/examples/"$example" --out "$out" "$@"
done

say "pictures:"
find "$out" -name '*.png' -newer "$started" | sort
rm -f "$started"
