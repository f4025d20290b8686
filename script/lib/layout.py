#!/usr/bin/env python3
"""Checks that a source tree is header-mostly: every .cpp of src/coffer has one of four reasons, which the comments of
src/coffer/meson.build name, and most lines are in headers. Prints the shares.

usage: layout.py TREE        prints one line per violation; exit status 1 when there is any
       layout.py --self-test feeds a violating tree per rule and demands that it is caught
"""
import pathlib
import re
import sys

import trees

# The comment above a list of sources begins with one of these.
REASONS = (
    "Each compiles a large layer once",
    "The only users of a C library's header",
    "Cold tables of text",
    "The command line and the composition root",
)
MOST_SOURCES = 45
IN_HEADERS = 2 / 3
# Of what is neither the command line nor a table.
IN_HEADERS_OF_THE_REST = 0.8
NOT_THE_REST = re.compile(r"(app|api/openapi)/|api/problem_table\.|main\.cpp")


def listed(build_file):
    """The reason of each source that the build file lists; None where the comment above it is none."""
    reasons, reason = {}, None
    for line in build_file.splitlines():
        if not line.strip():
            reason = None
        elif line.startswith("# "):
            reason = reason or next((known for known in REASONS if line[2:].startswith(known)), None)
        for source in re.findall(r"'([\w/]+\.cpp)'", line):
            reasons[source] = reason
    return reasons


def shares(lines):
    """What part of these lines, by path, is in headers: of all, and of the rest."""

    def of(chosen):
        every = sum(chosen.values())
        return sum(count for path, count in chosen.items() if path.endswith(".hpp")) / every if every else 1

    return of(lines), of({path: count for path, count in lines.items() if not NOT_THE_REST.match(path)})


def lines_below(top):
    return {
        path.relative_to(top).as_posix(): path.read_text(encoding="utf-8").count("\n")
        for path in sorted(top.rglob("*.?pp"))
    }


def check(root):
    top = pathlib.Path(root, "src/coffer")
    lines = lines_below(top)
    sources = [path for path in lines if path.endswith(".cpp")]
    reasons = listed((top / "meson.build").read_text(encoding="utf-8"))
    found = []
    for source in sources:
        if source != "main.cpp" and reasons.get(source) is None:
            found.append(f"src/coffer/{source}: src/coffer/meson.build gives no reason why this is no header")
    if len(sources) > MOST_SOURCES:
        found.append(f"src/coffer: {len(sources)} .cpp files, at most {MOST_SOURCES} may be")
    everything, rest = shares(lines)
    if everything < IN_HEADERS:
        found.append(f"src/coffer: {everything:.0%} of the lines are in headers, {IN_HEADERS:.0%} must be")
    if rest < IN_HEADERS_OF_THE_REST:
        found.append(
            f"src/coffer: without app/ and the tables {rest:.0%} of the lines are in headers, "
            f"{IN_HEADERS_OF_THE_REST:.0%} must be"
        )
    return found


def summary(root):
    lines = lines_below(pathlib.Path(root, "src/coffer"))
    everything, rest = shares(lines)
    return (
        f"{sum(path.endswith('.cpp') for path in lines)} .cpp files; in headers {everything:.1%} of "
        f"{sum(lines.values())} lines, {rest:.1%} without app/ and the tables"
    )


GOOD = {
    "src/coffer/meson.build": "# Cold tables of text.\ncoffer_sources += files(\n  'api/problem_table.cpp',\n)\n",
    "src/coffer/main.cpp": "int main() {}\n",
    "src/coffer/api/problem_table.cpp": "int a;\n",
    "src/coffer/base/text.hpp": "int b();\n" * 10,
    "src/coffer/api/gate.hpp": "int c();\n" * 10,
}
BAD = [
    ("src/coffer/base/text.cpp", "int d;\n", "no reason"),
    ("src/coffer/meson.build", "# Because.\nfiles(\n  'api/problem_table.cpp',\n)\n", "no reason"),
    ("src/coffer/meson.build", "# Cold tables of text.\n\nfiles(\n  'api/problem_table.cpp',\n)\n", "no reason"),
    ("src/coffer/app/serve.cpp", "int e;\n" * 30, "of the lines are in headers"),
    ("src/coffer/http/server.cpp", "int f;\n" * 6, "without app/ and the tables"),
]

if __name__ == "__main__":
    if len(sys.argv) == 2 and sys.argv[1] != "--self-test":
        print(summary(sys.argv[1]))
    trees.main(check, GOOD, BAD, __doc__)
