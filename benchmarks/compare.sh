#!/usr/bin/env bash
# Runs our benchmarks and a peer's in turn, A B A B, and prints the ratio of medians of each workload.
#   bash benchmarks/compare.sh --peer "COMMAND" [--rounds R] [--threads N] [--workload NAME ...] [--seconds S]
# COMMAND takes --threads N --seconds S --workload NAME and prints one line of JSON with "workload" and "median_ms".
# A ratio above 1: ours is faster. At least three rounds.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
exec python3 "$here/compare.py" --ours "bash $here/run.sh" "$@"
