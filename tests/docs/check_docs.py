#!/usr/bin/env python3
"""Compiles every ```cpp block of README.md and docs/*.md, and runs the ones that are programs.

A block with a `main` is a program: it is compiled as it stands and run with a time limit. Any other block becomes the
body of a function, after `#include <pushforward/pushforward.hpp>` and `namespace pf = pushforward;`. Its own #include
lines move to the top. HTML comments in front of a block, which readers do not see, change that:

  <!-- test: skip REASON -->    leave it out; the reason is required
  <!-- test: continue -->       it goes on in the scope of the block before it (of a program: at the end of main)
  <!-- test: toplevel -->       its lines stand outside of the function: types, templates, functions
  <!-- test: compile -->        a program that is compiled but not run
  <!-- test: run -->            a block without main that is run too
  <!-- test: setup
  CODE
  -->                           code that the block needs and does not show

Words combine: `<!-- test: toplevel continue -->`. Errors of the compiler name the page and its line.

The blocks of a page that include the same headers are compiled together, each in a namespace of its own, which takes a
third of the time; where that fails, each is compiled alone to tell which one it is. With --library they use what is
compiled already instead of compiling it anew.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
WORDS = {"continue", "toplevel", "compile", "run"}
HAS_MAIN = re.compile(r"^\s*(int|auto) main\(", re.MULTILINE)
PRELUDE = "#include <pushforward/pushforward.hpp>\n"


class Unit:
    """One program made of a block and of the blocks that continue it."""

    def __init__(self, page, line):
        self.name = f"{page.relative_to(ROOT) if page.is_relative_to(ROOT) else page}:{line}"
        self.includes, self.outside, self.program, self.body = [], [], "", []
        self.words = set()

    def add(self, code, place, words):
        """Takes in a block (or hidden code) whose first line stands at `place`."""
        kept = []
        for line in code.split("\n"):
            if line.startswith("#include"):
                self.includes.append(line)
                line = ""
            kept.append(line)
        text = f'#line {place[1]} "{place[0]}"\n' + "\n".join(kept) + "\n"
        self.words |= words
        if HAS_MAIN.search(code):
            self.program = text
        elif "toplevel" in words:
            self.outside.append(text)
        else:
            self.body.append(text)

    @property
    def runs(self):
        return "compile" not in self.words and (bool(self.program) or "run" in self.words)

    @property
    def opens_library(self):
        """Whether it adds to the library's own namespace, which it cannot do from within another."""
        return any("namespace pushforward {" in text for text in [*self.outside, self.program])

    def source(self):
        """A translation unit of its own."""
        return PRELUDE + "\n".join(self.includes) + "\n" + self.text("main")

    def text(self, name):
        """All but the includes; a block that is no program becomes the function `name`."""
        # Each continuation opens a scope of its own, so that it may use a name again.
        body = "{\n".join(self.body) + "}" * max(0, len(self.body) - 1)
        alias = "" if re.search(r"^namespace pf\b", self.program, re.MULTILINE) else "namespace pf = pushforward;\n"
        head = alias + "\n".join(self.outside)
        if not self.program:
            return f"{head}\nint {name}() {{\n{body}\nreturn 0;\n}}\n"
        end = self.program.rindex("\n}")
        inner = f"\n{{\n{body}\n}}" if self.body else ""
        return f"{head}{self.program[:end]}{inner}\nreturn 0;{self.program[end:]}"

    def call(self):
        """What runs the block inside of a program of many."""
        return "main(1, arguments)" if re.search(r"\bmain\(int", self.program) else "main()"


def source_of(units):
    """One program that runs the block whose number is its argument."""
    spaces = "".join(f"namespace unit_{i} {{\n{unit.text('main')}}}\n" for i, unit in enumerate(units))
    cases = "".join(f"    case {i}: return unit_{i}::{unit.call()};\n" for i, unit in enumerate(units))
    return (PRELUDE + "\n".join(sorted(set(units[0].includes))) + "\n#include <cstdlib>\n" + spaces +
            f"int main(int, char** arguments) {{\n  switch (std::atoi(arguments[1])) {{\n{cases}  }}\n  return 1;\n}}\n")


def blocks_of(page):
    """Yields (kind, text, line): a comment of ours or a block of C++ with the line that its text begins in."""
    lines = page.read_text().split("\n")
    at = 0
    while at < len(lines):
        fence = re.match(r"^(\s*)```(\S*)", lines[at])
        begin = at + 1
        if fence:
            at += 1
            while at < len(lines) and lines[at].strip() != "```":
                at += 1
            if fence.group(2) in ("cpp", "c++"):
                indent = len(fence.group(1))
                yield "code", "\n".join(line[indent:] for line in lines[begin:at]), begin + 1
        elif lines[at].lstrip().startswith("<!-- test:"):
            comment = lines[at]
            while "-->" not in comment:
                at += 1
                comment += "\n" + lines[at]
            yield "comment", comment.strip().removeprefix("<!-- test:").removesuffix("-->"), begin
        at += 1


def units_of(page, skipped):
    """The programs of a page, in order."""
    units, words, setup, skip = [], set(), [], ""
    for kind, text, line in blocks_of(page):
        if kind == "comment":
            first = text.split()[0] if text.split() else ""
            if first == "setup":
                offset = 0 if text.split("\n")[0].strip() != "setup" else 1
                setup.append((text.split("setup", 1)[1].removeprefix("\n"), line + offset))
            elif first == "skip":
                skip = text.split("skip", 1)[1].strip()
                if not skip:
                    raise SystemExit(f"{page}:{line}: skip needs a reason")
            elif unknown := set(text.split()) - WORDS or (not first and {"nothing"}):
                known = ", ".join(["skip", "setup", *sorted(WORDS)])
                raise SystemExit(f"{page}:{line}: unknown word {' '.join(unknown)}; known: {known}")
            else:
                words |= set(text.split())
            continue
        if skip:
            skipped.append(f"{page.name}:{line}: skipped, {skip}")
        else:
            if "continue" not in words or not units:
                units.append(Unit(page, line))
            for code, first in setup:
                units[-1].add(code, (page, first), words & {"toplevel"})
            units[-1].add(text, (page, line), words)
        words, setup, skip = set(), [], ""
    return units


def compiler_command(options):
    """The compiler with what the library uses where it is there."""
    command = [options.cxx, "-std=c++20", f"-I{ROOT / 'include'}", "-isystem", options.eigen]
    links = []
    if options.library:
        # Whole and first, so that what the pages hold of it too, and in a slower form, is left out.
        command += ["-DPUSHFORWARD_COMPILED", "-fopenmp-simd", "-DPUSHFORWARD_HAS_OPENMP_SIMD=1"]
    command.append("-O0" if options.library else "-O1")
    for header, flags, link in (("thread", ["-pthread"], []), ("zlib.h", ["-DPUSHFORWARD_HAS_ZLIB=1"], ["-lz"])):
        probe = subprocess.run([options.cxx, *flags, "-x", "c++", "-", "-o", os.devnull, *link],
                               input=f"#include <{header}>\nint main() {{}}", text=True, capture_output=True)
        if probe.returncode == 0:
            command += flags
            links += link
    # What a page shows need not be used in it.
    return command + ["-Wall", "-Wextra", "-Werror", "-Wno-unused"], links


def compile_one(source, program, options, command, links):
    """Compiles a source and links it where there is a program to make; returns what went wrong or ""."""
    library = ["-Wl,--whole-archive", options.library, "-Wl,--no-whole-archive"] if options.library else []
    build = [*library, str(source), "-o", str(program), *links] if program else ["-fsyntax-only", str(source)]
    done = subprocess.run([*command, "-include", str(options.work / "all.hpp"), *build], text=True,
                          capture_output=True)
    return done.stderr if done.returncode else ""


def check(group, name, options, command, links):
    """Compiles and perhaps runs units that include the same headers and are all run or all not; yields
    (unit, what went wrong or "", seconds)."""
    began = time.monotonic()
    source, program = options.work / f"{name}.cpp", options.work / name if group[0].runs else None
    source.write_text(source_of(group) if len(group) > 1 else group[0].source())
    if len(group) > 1 and compile_one(source, program, options, command, links):
        return [each for i, unit in enumerate(group) for each in check([unit], f"{name}_{i}", options, command, links)]
    problem = compile_one(source, program, options, command, links) if len(group) == 1 else ""
    results = []
    for i, unit in enumerate(group):
        results.append((unit, problem or (run([str(program), str(i)], options.seconds) if program else ""),
                        time.monotonic() - began))
        began = time.monotonic()
    return results


def run(command, seconds):
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(command, cwd=folder, timeout=seconds, text=True, capture_output=True)
        except subprocess.TimeoutExpired:
            return f"ran longer than {seconds} s; mark it `<!-- test: compile -->` or make it shorter"
    if done.returncode == 0:
        return ""
    return f"ended with status {done.returncode}\n{done.stdout[-500:]}{done.stderr[-500:]}"


def groups_of(units):
    """Units that can be compiled together: of one page, with the same includes, all run or all not; longest first."""
    groups = {}
    for unit in units:
        page = unit.name if unit.opens_library else unit.name.split(":")[0]
        groups.setdefault((page, unit.runs, *sorted(set(unit.includes))), []).append(unit)
    return sorted(groups.values(), key=len, reverse=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", type=pathlib.Path, help="default: README.md and docs/*.md")
    parser.add_argument("--cxx", default=os.environ.get("CXX", "g++"))
    parser.add_argument("--eigen", default="/usr/include/eigen3", help="the folder that holds Eigen's headers")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=90, help="time limit for each program")
    parser.add_argument("--library", help="archive of the target pushforward::compiled, of this machine")
    parser.add_argument("--work", type=pathlib.Path, help="keep what is generated in this folder")
    options = parser.parse_args()

    keep, options.work = options.work, (options.work or pathlib.Path(tempfile.mkdtemp())).resolve()
    options.work.mkdir(parents=True, exist_ok=True)
    pages = options.pages or [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    skipped = []
    units = [unit for page in pages if page.exists() for unit in units_of(page.resolve(), skipped)]

    command, links = compiler_command(options)
    header = options.work / "all.hpp"
    header.write_text(PRELUDE)
    ending = "pch" if "clang" in options.cxx else "gch"
    if subprocess.run([*command, "-x", "c++-header", str(header), "-o", f"{header}.{ending}"]).returncode:
        return 1

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        runs = [pool.submit(check, group, f"group_{number}", options, command, links)
                for number, group in enumerate(groups_of(units))]
        for done in runs:
            for unit, problem, seconds in done.result():
                failed += bool(problem)
                print(f"{unit.name}: {'FAILED' if problem else 'ok'} ({seconds:.1f} s)")
                if problem:
                    print(problem)
    print("\n".join(skipped + [f"{len(units) - failed} passed, {failed} failed, {len(skipped)} skipped"]))
    if not keep:
        shutil.rmtree(options.work)
    return 1 if failed else 0


sys.exit(main())
