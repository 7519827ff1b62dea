#!/usr/bin/env python3
"""Checks that headers include only their own floor and lower ones, that model families leave each other alone, and that
no header includes itself in a roundabout way."""

import pathlib
import re
import sys

FLOORS = ["core", "autodiff", "ops", "io", "nn", "distributions", "bijectors", "objectives", "dynamics", "models",
          "training", "data", "metrics", "plot", "testing"]
# Longer names first: flow_matching is not a flow.
FAMILIES = ["flow_matching", "autoregressive", "diffusion", "energy", "flow", "gan", "vae"]
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def floor_of(path):
    """The floor of `pushforward/nn/x.hpp` and of `pushforward/nn.hpp`; None for pushforward.hpp."""
    part = path.split("/")[1].removesuffix(".hpp")
    return None if part == "pushforward" else part


def family_of(path):
    """The model family that a header belongs to; None where it serves all of them."""
    parts = path.split("/")
    if len(parts) < 3 or parts[1] != "models":
        return None
    return next((family for family in FAMILIES if family in parts[2]), None)


def includes_of(file, name, problems):
    for number, line in enumerate(file.read_text().splitlines(), 1):
        found = INCLUDE.match(line)
        if not found:
            continue
        bracket, target = found.groups()
        if target.startswith("pushforward/"):
            yield number, target
        elif bracket == '"':
            problems.append(f'{name}:{number}: "{target}": our headers name each other in full, <pushforward/...>')


def check(where, number, target, problems):
    source, wanted = floor_of(where), floor_of(target)
    place = f"{where}:{number}: <{target}>"
    if source is None:
        return
    if wanted is None:
        problems.append(f"{place}: pushforward.hpp is for users; name the headers that are needed")
    elif wanted not in FLOORS or source not in FLOORS:
        stranger = source if wanted in FLOORS else wanted
        problems.append(f"{place}: {stranger} is no floor; floors: {' < '.join(FLOORS)}")
    elif FLOORS.index(wanted) > FLOORS.index(source):
        problems.append(f"{place}: {source} is below {wanted} and may not include it")
    elif where.count("/") > 1 and target.startswith("pushforward/models/"):
        mine, other = family_of(where), family_of(target)
        if source == "models" and other and mine != other:
            mine = mine or "a part shared by all models"
            problems.append(f"{place}: {mine} may not include {other}; models meet in concepts")


def cycle_in(graph):
    """A list of headers that include each other in a circle, or None."""
    done, trail = set(), []

    def visit(node):
        if node in trail:
            return trail[trail.index(node):] + [node]
        if node in done:
            return None
        trail.append(node)
        for next_node in graph.get(node, []):
            if found := visit(next_node):
                return found
        trail.pop()
        done.add(node)
        return None

    return next((found for node in graph if (found := visit(node))), None)


def main():
    include = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent / "include")
    problems, graph = [], {}
    for file in sorted(file for ending in ("hpp", "inl") for file in include.glob(f"pushforward/**/*.{ending}")):
        name = file.relative_to(include).as_posix()
        graph[name] = []
        for number, target in includes_of(file, name, problems):
            if not (include / target).exists():
                problems.append(f"{name}:{number}: <{target}> does not exist")
            if target != name.replace(".inl", ".hpp"):  # bodies include the header that includes them
                graph[name].append(target)
            check(name, number, target, problems)
    if circle := cycle_in(graph):
        problems.append("headers include each other in a circle: " + " -> ".join(circle))
    print("\n".join(problems + [f"{len(graph)} headers, {len(problems)} problems"]))
    return 1 if problems or not graph else 0


sys.exit(main())
