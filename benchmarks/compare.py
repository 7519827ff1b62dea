"""Alternates two benchmark commands and compares the medians of what they report; see compare.sh."""
import argparse
import json
import shlex
import statistics
import subprocess
import sys


def measure(command, workload, options):
    """The JSON line that `command` prints for one workload."""
    run = shlex.split(command) + ["--threads", str(options.threads), "--seconds", str(options.seconds), "--workload", workload]
    done = subprocess.run(run, stdout=subprocess.PIPE, text=True, check=False)
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            found = json.loads(line)
            if found.get("workload") == workload and "median_ms" in found:
                return found
    sys.exit("compare: %s reported nothing for %s (exit status %d)" % (command, workload, done.returncode))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ours", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--peer", required=True, help="the command to compare with")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--workload", nargs="*", default=[])
    options = parser.parse_args()
    names = options.workload or subprocess.run(shlex.split(options.ours) + ["--list"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()

    rows = []
    for name in names:
        ours, peer = [], []
        for _ in range(max(3, options.rounds)):
            ours.append(measure(options.ours, name, options))
            peer.append(measure(options.peer, name, options))
        mine, other = (statistics.median(r["median_ms"] for r in runs) for runs in (ours, peer))
        rows.append((name, mine, other, other / mine, ours[-1], peer[-1]))
        print("ratio: workload=%s threads=%d ours_ms=%.4g peer_ms=%.4g ratio=%.3f" % (name, options.threads, mine, other, other / mine), flush=True)

    print("\n| workload | threads | ours ms | peer ms | ratio | GFLOP/s | FMA peak | share | peer |\n|---|---|---|---|---|---|---|---|---|")
    for name, mine, other, ratio, detail, peer in rows:
        peak = detail.get("fma_peak_gflops")
        flops = detail.get("gflops", 0) * detail["median_ms"] / mine if peak else None
        figures = "%.0f | %.0f | %.0f %%" % (flops, peak, 100 * flops / peak) if peak else "- | - | -"
        print("| %s | %d | %.4g | %.4g | %.2f | %s | %s |" % (name, options.threads, mine, other, ratio, figures, peer["impl"]))


if __name__ == "__main__":
    main()
