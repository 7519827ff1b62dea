#!/usr/bin/env bash
# Checks that every example explains itself, runs in a short form and ends with a line `result: key=value ...`.
#   bash .ci/check_examples.sh [FOLDER OF THE PROGRAMS]
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
programs=${1:-build/release/examples}
out=$(mktemp -d) log=$(mktemp) failed=0
if [ -z "${PUSHFORWARD_DATA:-}" ] && [ -d ../shared/data ]; then export PUSHFORWARD_DATA=$(cd ../shared/data && pwd); fi

for source in examples/*.cpp examples/*/; do
  name=$(basename "$source" .cpp) started=$SECONDS problem= short=
  timeout 20 "$programs/$name" --help >"$log" 2>&1 || problem="--help failed"
  for option in --help --seed --out --epochs --data --threads; do
    [ -n "$problem" ] || grep -qe "$option" "$log" || problem="--help does not tell of $option"
  done
  ! grep -qe --quick "$log" || short=--quick
  if [ -z "$problem" ]; then
    timeout 120 "$programs/$name" $short --epochs 1 --seed 1 --threads 2 --out "$out/$name" >"$log" 2>&1 ||
      problem="ended with status $?"
  fi
  if [ -z "$problem" ] && ! tail -n 1 "$log" | grep -qE '^result:( [a-z_0-9]+=[^ ]+)+$'; then
    problem="does not end with a line 'result: key=value ...'"
  fi
  if [ -n "$problem" ]; then
    failed=$((failed + 1))
    printf '%s: %s\n' "$name" "$problem"
    tail -n 10 "$log" | sed 's/^/    /'
  else
    printf '%s: %d s, %s\n' "$name" $((SECONDS - started)) "$(tail -n 1 "$log")"
  fi
done
rm -rf "$out" "$log"
[ $failed -eq 0 ]
