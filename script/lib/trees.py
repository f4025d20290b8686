"""The command line of checks of a source tree, and their test of themselves: a good tree passes, each bad one does not."""
import pathlib
import sys
import tempfile


def _violations(check, files):
    with tempfile.TemporaryDirectory() as directory:
        for name, text in files.items():
            path = pathlib.Path(directory, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return check(directory)


def _self_test(check, good, bad):
    problems = [f"the good tree is refused: {violation}" for violation in _violations(check, good)]
    for name, text, expected in bad:
        if not any(expected in violation for violation in _violations(check, {**good, name: text})):
            problems.append(f"not caught: {text.strip() or 'an empty file'} in {name}")
    return problems


def main(check, good, bad, usage):
    """Prints a line per violation and exits with 1 when there are any. `check`: from a root to its violations; `good`:
    a tree as texts by name; `bad`: what makes it bad, as name, text, and what a violation must say."""
    if len(sys.argv) != 2:
        sys.exit(usage)
    found = _self_test(check, good, bad) if sys.argv[1] == "--self-test" else check(sys.argv[1])
    for line in found:
        print(line)
    sys.exit(1 if found else 0)
