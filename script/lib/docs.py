#!/usr/bin/env python3
"""Checks that what the documents name is there.

usage: docs.py ROOT | docs.py --self-test

Paths of the repository, in code marks or links, must exist. A proof, written "title" (`file below tests/`), must be a
test case or a fault of that file. Prints one line per violation and exits with 1 when there are any.
"""
import pathlib
import re

import trees

PATH = re.compile(r"`((?:src|tests|script|docs|deploy|bench|migrations|debian)/[\w./-]*[\w/])[^`\n]*`"
                  r"|\]\(((?:\.\./)*[\w./-]+)(?:#[^)]*)?\)")
PROOF = re.compile(r'"([^"]+)" \(`([^`]+)`\)')
# What is made by a build, a run or a package manager, and so not in every checkout.
MADE = re.compile(r"(.*/)?(node_modules|results)(/|$)")


def exists(root, base, name):
    place = root / base / name
    return place.exists() or any(place.parent.glob(place.name + ".*"))


def violations(root):
    root = pathlib.Path(root)
    documents = [*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("bench/*.md"), *root.glob("tests/*.md"),
                 *root.glob("tests/*/*.md")]
    found = []
    for document in sorted(documents):
        name = document.relative_to(root).as_posix()
        for number, line in enumerate(document.read_text(encoding="utf-8").splitlines(), 1):
            for match in PATH.finditer(line):
                path, base = (match.group(1), ".") if match.group(1) else (match.group(2), document.parent.relative_to(root))
                if not MADE.match(path) and not exists(root, base, path):
                    found.append(f"{name}:{number}: {path} is not there")
            for title, file in PROOF.findall(line):
                place = root / "tests" / file
                text = place.read_text(encoding="utf-8") if place.is_file() else ""
                if f'TEST_CASE("{title}"' not in text and f'@fault("{title}"' not in text:
                    found.append(f'{name}:{number}: tests/{file} has no "{title}"')
    return found


GOOD_TREE = {
    "README.md": "See [this](docs/RULES.md#all) and `src/money`, and `script/test --asan`.\n",
    "docs/RULES.md": '| no debts | "nobody owes" (`unit/money_test.cpp`), "cut" (`faults/cuts.py`) |\n[back](../README.md)\n',
    "src/money.hpp": "",
    "script/test": "",
    "tests/unit/money_test.cpp": 'TEST_CASE("nobody owes") {}\n',
    "tests/faults/cuts.py": '@fault("cut", turned_away=1)\n',
}
# Each entry breaks the good tree; the text must occur in a violation.
BAD = [
    ("README.md", "`src/coins.cpp`\n", "src/coins.cpp is not there"),
    ("README.md", "[rules](docs/RULE.md)\n", "docs/RULE.md is not there"),
    ("tests/unit/money_test.cpp", 'TEST_CASE("nobody owes much") {}\n', 'has no "nobody owes"'),
    ("tests/faults/cuts.py", '# "cut"\n', 'has no "cut"'),
    ("docs/RULES.md", '"nobody owes" (`unit/coin_test.cpp`)\n', "tests/unit/coin_test.cpp has no"),
]


if __name__ == "__main__":
    trees.main(violations, GOOD_TREE, BAD, __doc__)
