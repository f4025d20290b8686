#!/usr/bin/env python3
"""Checks that what the documents name is there.

usage: docs.py ROOT | docs.py --self-test

Paths of the repository, in code marks or links, must exist, and so must the heading that a link names behind a #. A
proof, written "title" (`file below tests/`), must be a test case or a fault of that file. Prose is wrapped at 120
columns, and the README stays short. Prints one line per violation and exits with 1 when there are any.
"""
import pathlib
import re

import trees

PATH = re.compile(r"`((?:src|tests|script|docs|deploy|bench|migrations|debian)/[\w./-]*[\w/])[^`\n]*`"
                  r"|\]\(((?:\.\./)*[\w./-]+)?(?:#([^)]*))?\)")
PROOF = re.compile(r'"([^"]+)" \(`([^`]+)`\)')
# What is made by a build, a run or a package manager, and so not in every checkout.
MADE = re.compile(r"(.*/)?(node_modules|results)(/|$)")
WIDTH = 120
README_LINES = 130


def exists(root, base, name):
    place = root / base / name
    return place.exists() or any(place.parent.glob(place.name + ".*"))


def prose(text):
    """The lines of a document outside of code, of what a program wrote into it, and of comments, with their numbers."""
    code = made = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("<!--"):
            made = line != "<!-- end -->"
        elif line.lstrip().startswith("```"):
            code = not code
        elif not code and not made:
            yield number, line


def anchors(text):
    """What links may name behind a #: the headings, as GitHub spells them."""
    headings = [line.lstrip("#").strip() for _, line in prose(text) if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def is_wide(line):
    """Tables, images and single words cannot be broken."""
    return len(line) > WIDTH and not line.startswith(("|", "![")) and " " in line.strip()


def violations(root):
    root = pathlib.Path(root)
    documents = [*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("bench/*.md"), *root.glob("tests/*.md"),
                 *root.glob("tests/*/*.md")]
    found = []
    for document in sorted(documents):
        name = document.relative_to(root).as_posix()
        text = document.read_text(encoding="utf-8")
        for number, line in enumerate(text.splitlines(), 1):
            for code, linked, heading in PATH.findall(line):
                path, base = (code, ".") if code else (linked, document.parent.relative_to(root))
                if not MADE.match(path) and not exists(root, base, path):
                    found.append(f"{name}:{number}: {path} is not there")
                elif heading and heading not in anchors((root / base / path).read_text(encoding="utf-8") if path else text):
                    found.append(f"{name}:{number}: {path or name} has no heading #{heading}")
            for title, file in PROOF.findall(line):
                place = root / "tests" / file
                proofs = place.read_text(encoding="utf-8") if place.is_file() else ""
                if f'TEST_CASE("{title}"' not in proofs and f'@fault("{title}"' not in proofs:
                    found.append(f'{name}:{number}: tests/{file} has no "{title}"')
        found += [f"{name}:{number}: wider than {WIDTH} columns" for number, line in prose(text) if is_wide(line)]
        if name == "README.md" and len(text.splitlines()) > README_LINES:
            found.append(f"{name}: longer than {README_LINES} lines: it is an introduction")
    return found


GOOD_TREE = {
    "README.md": "See [this](docs/RULES.md#all-of-them) and `src/money`, and `script/test --asan`.\n",
    "docs/RULES.md": '# All of them!\n[up](#all-of-them)\n| no debts | "nobody owes" (`unit/money_test.cpp`), "cut" (`faults/cuts.py`) |\n[back](../README.md)\n',
    "src/money.hpp": "",
    "script/test": "",
    "tests/unit/money_test.cpp": 'TEST_CASE("nobody owes") {}\n',
    "tests/faults/cuts.py": '@fault("cut", turned_away=1)\n',
}
# Each entry breaks the good tree; the text must occur in a violation.
BAD = [
    ("README.md", "`src/coins.cpp`\n", "src/coins.cpp is not there"),
    ("README.md", "[rules](docs/RULE.md)\n", "docs/RULE.md is not there"),
    ("README.md", "[rules](docs/RULES.md#none)\n", "has no heading #none"),
    ("README.md", "[rules](#none)\n", "README.md has no heading #none"),
    ("README.md", "word " * 30, "wider than 120"),
    ("README.md", "```\n" + "word " * 30 + "\n```\n" + "word\n" * 130, "longer than 130 lines"),
    ("tests/unit/money_test.cpp", 'TEST_CASE("nobody owes much") {}\n', 'has no "nobody owes"'),
    ("tests/faults/cuts.py", '# "cut"\n', 'has no "cut"'),
    ("docs/RULES.md", '"nobody owes" (`unit/coin_test.cpp`)\n', "tests/unit/coin_test.cpp has no"),
]


if __name__ == "__main__":
    trees.main(violations, GOOD_TREE, BAD, __doc__)
