#!/usr/bin/env python3
"""Runs the curl lines of a document as one session, and compares what a server answers with what the document shows.

usage: session.py DOCUMENT [--write] | session.py --self-test

COFFER_API is the address of a server whose database was just seeded, such as http://127.0.0.1:8080. Every block marked
"sh" with a curl line to http://127.0.0.1:8080 is run, in order. A block with another mark directly behind it holds the
replies: all of them, a line each. Times, request ids, cursors and key digests may differ. With --write the document
gets the replies that came. Prints what differs and exits with 1 when anything does.
"""
import os
import pathlib
import re
import subprocess
import sys

BLOCK = re.compile(r"^```sh\n(?P<commands>.*?)^```\n(?:^```(?P<kind>\w+)\n(?P<replies>.*?)^```\n)?", re.S | re.M)
WRITTEN = "http://127.0.0.1:8080"
# What another run of the same session answers differently.
VARIES = [(re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "<time>"),
          (re.compile(r'("request_id":|,)"?[\w-]{22}(?![\w-])"?'), r"\1<request id>"),
          (re.compile(r'"(next_cursor)":"[^"]+"'), r'"\1":"<cursor>"')]


def normal(line):
    for pattern, name in VARIES:
        line = pattern.sub(name, line)
    return line.strip()


def answers(commands, api):
    """The replies to a block, a line each."""
    script = "curl() { command curl --max-time 20 --show-error \"$@\" && echo; }\nset -e\n"
    run = subprocess.run(["bash", "-c", script + commands.replace(WRITTEN, api)], capture_output=True, text=True,
                         timeout=120, check=False)
    if run.returncode:
        return None, run.stderr.strip() or f"exit code {run.returncode}"
    return [line for line in run.stdout.splitlines() if line.strip()], ""


def play(text, api, ask=answers):
    """What differs, as lines, and the text with the replies that came."""
    differences, written, end = [], [], 0
    for block in BLOCK.finditer(text):
        if WRITTEN not in block["commands"] or "curl" not in block["commands"]:
            continue
        number = text.count("\n", 0, block.start()) + 1
        got, trouble = ask(block["commands"], api)
        if got is None:
            differences.append(f"line {number}: {trouble}")
            continue
        if block["replies"] is None:
            continue
        shown = block["replies"].splitlines()
        if list(map(normal, shown)) == list(map(normal, got)):
            continue
        for i in range(max(len(shown), len(got))):
            old = shown[i] if i < len(shown) else "(nothing)"
            new = got[i] if i < len(got) else "(nothing)"
            if normal(old) != normal(new):
                differences += [f"line {number}, reply {i + 1} is written", f"  {old}", "and came as", f"  {new}"]
        written += [text[end:block.start("replies")], "".join(line + "\n" for line in got)]
        end = block.end("replies")
    return differences, "".join(written) + text[end:]


def self_test():
    text = "```sh\ncurl -s http://127.0.0.1:8080/a\n```\n```json\n{\"a\":1,\"created_at\":\"2026-01-01T00:00:00.1Z\"}\n```\n"
    def said(*lines):
        return lambda commands, api: (list(lines), "")
    right = play(text, "", said('{"a":1,"created_at":"2027-02-03T04:05:06.7Z"}'))
    wrong = play(text, "", said('{"a":2,"created_at":"2027-02-03T04:05:06.7Z"}'))
    more = play(text, "", said('{"a":1,"created_at":"2026-01-01T00:00:00.1Z"}', "{}"))
    failed = play(text, "", lambda commands, api: (None, "refused"))
    sound = (not right[0] and right[1] == text and wrong[0] and '{"a":2,' in wrong[1] and more[0] and failed[0])
    return 0 if sound else 1


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    if not 2 <= len(sys.argv) <= 3 or sys.argv[2:] not in ([], ["--write"]):
        sys.exit(__doc__)
    path = pathlib.Path(sys.argv[1])
    differences, written = play(path.read_text(encoding="utf-8"), os.environ["COFFER_API"])
    if sys.argv[2:]:
        path.write_text(written, encoding="utf-8")
    for line in differences:
        print(line)
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
