#!/usr/bin/env bash
# Builds the benchmarks for this CPU and runs them; one line of JSON for each result.
#   bash benchmarks/run.sh [--threads N] [--workload NAME ...] [--seconds S]   whole training and sampling steps
#   bash benchmarks/run.sh --micro [--threads N] [--seconds S]                 single operations against the machine's limits
#   bash benchmarks/run.sh --compile [EXAMPLE ...]                             compile time, compiler memory, stripped size
#   bash benchmarks/run.sh --list                                              the names of the workloads
# PUSHFORWARD_BENCHMARK_PRESET (default: release) names the CMake preset that is built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source cmake/install_dependencies.sh

threads=1 seconds=3 mode=workloads names=()
while [ $# -gt 0 ]; do
  case $1 in
    --threads) threads=$2; shift 2 ;;
    --seconds) seconds=$2; shift 2 ;;
    --workload) shift; while [ $# -gt 0 ] && [ "${1#--}" = "$1" ]; do names+=("$1"); shift; done ;;
    --micro) mode=micro; shift ;;
    --compile) mode=compile; shift; while [ $# -gt 0 ] && [ "${1#--}" = "$1" ]; do names+=("$1"); shift; done ;;
    --list) mode=list; shift ;;
    --help) sed -n '2,7s/^# //p' "$0"; exit ;;
    *) echo "benchmarks/run.sh: unknown argument $1; see --help" >&2; exit 2 ;;
  esac
done

install_dependencies compiler cmake eigen zlib >&2

# The wall time and the memory of one compilation, and the size of the stripped program: from headers alone, and with
# the compiled library.
compile_cost() {
  local work example source part flags="-std=c++20 -O3 -DNDEBUG -DPUSHFORWARD_HAS_ZLIB=1"
  work=$(mktemp -d)
  [ ${#names[@]} -gt 0 ] || for source in examples/*.cpp; do names+=("$(basename "$source" .cpp)"); done
  for part in functions models operations parts; do
    timed_compilation "library: $part" "$flags -ffunction-sections -fdata-sections" "cmake/compiled/$part.cpp" "$work/$part.o"
    echo "}"
  done
  for example in "${names[@]}"; do
    timed_compilation "$example" "$flags" "examples/$example.cpp" "$work/$example.o"
    stripped_size "$work/$example.o"
    timed_compilation "$example" "$flags -DPUSHFORWARD_COMPILED" "examples/$example.cpp" "$work/$example.o"
    stripped_size "$work/$example.o" "$work/functions.o" "$work/models.o" "$work/operations.o" "$work/parts.o" -Wl,--gc-sections
  done
  rm -rf "$work"
}

# timed_compilation NAME FLAGS SOURCE OBJECT
timed_compilation() {
  local start end
  start=$(date +%s%N)
  # shellcheck disable=SC2086
  /usr/bin/env time -f %M -o "$4.memory" "${CXX:-c++}" $2 -I include -isystem "$(eigen_include)" -c "$3" -o "$4"
  end=$(date +%s%N)
  printf '{"compile": "%s", "compiler": "%s", "flags": "%s", "seconds": %d.%02d, "compiler_mb": %d' "$1" "${CXX:-c++}" \
    "$2" $(((end - start) / 1000000000)) $(((end - start) / 10000000 % 100)) $(($(tail -n 1 "$4.memory") / 1024))
}

stripped_size() {
  "${CXX:-c++}" -s "$@" -o "$1.program" -lz
  printf ', "stripped_bytes": %d}\n' "$(stat -c %s "$1.program")"
}

if [ $mode = compile ]; then
  compile_cost
  exit
fi

preset=${PUSHFORWARD_BENCHMARK_PRESET:-release} build=build/${PUSHFORWARD_BENCHMARK_PRESET:-release}
cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset" -j "$(getconf _NPROCESSORS_ONLN)" --target benchmark_workloads benchmark_cold_start benchmark_time_command benchmark_limits >&2
export PUSHFORWARD_NUM_THREADS=$threads
programs=$build/benchmarks

cold_start() {
  local file
  file=$(mktemp -d)/decoder.safetensors
  "$programs/cold_start" --save "$file"
  "$programs/time_command" cold_start "$threads" "$seconds" "$programs/cold_start" "$file"
  rm -r "$(dirname "$file")"
}

case $mode in
  list) "$programs/workloads" --list; echo cold_start ;;
  micro) "$programs/limits" --threads "$threads" --seconds "$(awk "BEGIN {print $seconds / 15}")" ;;
  workloads)
    [ ${#names[@]} -gt 0 ] || mapfile -t names < <("$programs/workloads" --list; echo cold_start)
    for name in "${names[@]}"; do
      if [ "$name" = cold_start ]; then cold_start; else "$programs/workloads" --threads "$threads" --seconds "$seconds" "$name"; fi
    done ;;
esac
