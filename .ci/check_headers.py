#!/usr/bin/env python3
"""Checks that every header compiles alone, without a warning.

    python3 .ci/check_headers.py --eigen FOLDER [--compiler g++] [--jobs N]

Most headers begin with the tensor, in one way or another. What its header brings is compiled once, for those that include
it themselves or through others; the rest starts from nothing."""

import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

SHARED = "pushforward/autodiff/tensor.hpp"
FLAGS = ["-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror", "-Winvalid-pch"]
INCLUDE = re.compile(r"^\s*#\s*include\s*<(pushforward/[^>]+)>", re.MULTILINE)


def closure(name, graph):
    """All headers that a header includes, directly or not."""
    found, left = set(), [name]
    while left:
        for other in graph.get(left.pop(), ()):
            if other not in found:
                found.add(other)
                left.append(other)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--eigen", required=True)
    parser.add_argument("--compiler", default=os.environ.get("CXX", "g++"))
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()

    root = pathlib.Path(__file__).resolve().parent.parent / "include"
    names = sorted(str(path.relative_to(root)) for path in root.rglob("*.hpp"))
    graph = {name: INCLUDE.findall((root / name).read_text()) for name in names}
    command = [options.compiler, *FLAGS, "-I", str(root), "-isystem", options.eigen]

    with tempfile.TemporaryDirectory() as work:
        shared = pathlib.Path(work) / "shared.hpp"
        shared.write_text(f"#include <{SHARED}>\n")
        subprocess.run([*command, "-x", "c++-header", shared, "-o", f"{shared}.gch"], check=True)

        def check(name):
            # A header as the main file would warn of its #pragma once.
            start = ["-include", str(shared)] if SHARED in closure(name, graph) else []
            done = subprocess.run([*command, *start, "-fsyntax-only", "-x", "c++", "-"], input=f"#include <{name}>\n",
                                  text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
            return name, done.returncode, done.stdout

        failed = 0
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            for name, status, output in pool.map(check, names):
                if status != 0:
                    failed += 1
                    print(f"{output}{name} does not compile alone")
    print(f"{len(names) - failed} of {len(names)} headers compile alone")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
