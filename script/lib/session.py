#!/usr/bin/env python3
"""Runs the curl lines of a document as one session, and compares what a server answers with what the document shows.

usage: session.py DOCUMENT [--write] | session.py --self-test

COFFER_API is the address of a server whose database was just seeded, such as http://127.0.0.1:8080; COFFER_ADMIN that of
its admin listener. Every block marked "sh" with a curl line to http://127.0.0.1:8080 or :8081 is run, in order. A block
with another mark directly behind it holds all the replies. Those marked "json" are compared as JSON, so that a document
may break lines where it likes; others line by line. Times, request ids, cursors and keys may differ. With --write the
document gets the replies that came, JSON wrapped at 120 columns. Prints what differs and exits with 1 when anything does.
"""
import json
import os
import pathlib
import re
import subprocess
import sys

BLOCK = re.compile(r"^```sh\n(?P<commands>.*?)^```\n(?:^```(?P<kind>\w+)\n(?P<replies>.*?)^```\n)?", re.S | re.M)
WRITTEN = {"http://127.0.0.1:8080": "COFFER_API", "http://127.0.0.1:8081": "COFFER_ADMIN"}
WIDTH = 120
# What another run of the same session answers differently.
VARIES = [(re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "<time>"),
          (re.compile(r"^(Date): .*"), r"\1: <time>"),
          (re.compile(r'("request_id":|,|X-Request-Id: )"?[\w-]{22}(?![\w-])"?'), r"\1<request id>"),
          (re.compile(r'"(next_cursor)":"[^"]+"'), r'"\1":"<cursor>"'),
          (re.compile(r'"(hint)":"\w+"'), r'"\1":"<hint>"'),
          (re.compile(r'"(cof_live_|cof_test_|whsec_)[\w.+/=]+"'), r'"\1..."')]
KEY, KEY_NAME = VARIES[-1]


def values(text):
    """The JSON values of a text, each in one line."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        value, at = decoder.raw_decode(text, at)
        found.append(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    return found


def replies(text, kind):
    """What is compared: the replies of a block, a line each."""
    lines = [line for line in text.splitlines() if line.strip()]
    if kind == "json":
        try:
            lines = values(text)
        except ValueError:
            pass  # the difference shows as it is
    for pattern, name in VARIES:
        lines = [pattern.sub(name, line) for line in lines]
    return [line.strip() for line in lines]


def wrapped(line):
    """A line of JSON, broken behind commas outside of texts."""
    if len(line) <= WIDTH:
        return line
    parts = re.findall(r'(?:"(?:[^"\\]|\\.)*"|[^",])*(?:,|$)', line)
    lines = [""]
    for part in parts:
        if lines[-1].strip() and len(lines[-1]) + len(part) > WIDTH:
            lines.append(" ")
        lines[-1] += part
    return "\n".join(lines)


def written_as(got, kind):
    """How a document shows what came: without keys, which scanners would take for leaked ones."""
    lines = KEY.sub(KEY_NAME, got).strip().splitlines()
    if kind == "json":
        return [wrapped(line) for line in lines if line.strip()]
    return lines if kind == "http" else [line for line in lines if line.strip()]


def answers(commands, addresses):
    """What a block prints."""
    script = "curl() { command curl --max-time 20 --show-error \"$@\" && echo; }\nset -eo pipefail\n"
    for written, address in addresses.items():
        commands = commands.replace(written, address)
    run = subprocess.run(["bash", "-c", script + commands], capture_output=True, text=True, timeout=120, check=False)
    if run.returncode:
        return None, run.stderr.strip() or f"exit code {run.returncode}"
    return run.stdout.replace("\r\n", "\n"), ""


def play(text, addresses, ask=answers):
    """What differs, as lines, and the text with the replies that came."""
    differences, written, end = [], [], 0
    for block in BLOCK.finditer(text):
        if "curl" not in block["commands"] or not any(each in block["commands"] for each in WRITTEN):
            continue
        number = text.count("\n", 0, block.start()) + 1
        got, trouble = ask(block["commands"], addresses)
        if got is None:
            differences.append(f"line {number}: {trouble}")
            continue
        if block["replies"] is None:
            continue
        old, new = replies(block["replies"], block["kind"]), replies(got, block["kind"])
        if old == new:
            continue
        for i in range(max(len(old), len(new))):
            was, came = (each[i] if i < len(each) else "(nothing)" for each in (old, new))
            if was != came:
                differences += [f"line {number}, reply {i + 1} is written", f"  {was}", "and came as", f"  {came}"]
        shown = written_as(got, block["kind"])
        written += [text[end:block.start("replies")], "".join(line + "\n" for line in shown)]
        end = block.end("replies")
    return differences, "".join(written) + text[end:]


def self_test():
    text = ("```sh\ncurl -s http://127.0.0.1:8080/a\n```\n```json\n{\"a\":1,\n \"created_at\":\"2026-01-01T00:00:00.1Z\"}\n"
            "```\n")

    def said(answer):
        return play(text, {}, lambda commands, addresses: (answer, ""))

    long = '{"a":[' + ",".join(f'"{i}, \\" and "' for i in range(30)) + "]}"
    right = said('{"a":1,"created_at":"2027-02-03T04:05:06.7Z"}\n')
    wrong = said('{"a":2,"created_at":"2027-02-03T04:05:06.7Z"}\n')
    more = said('{"a":1,"created_at":"2026-01-01T00:00:00.1Z"}\n{}\n')
    broken = said('{"a":1,"created_at":"2026-01-01T00:00:00.1Z"\n')
    failed = play(text, {}, lambda commands, addresses: (None, "refused"))
    other = play(text.replace("```json", "```text"), {}, lambda commands, addresses: ('{"a":1}\n', ""))
    sound = (not right[0] and right[1] == text and wrong[0] and '{"a":2,' in wrong[1] and more[0] and broken[0] and
             failed[0] and other[0] and values(wrapped(long)) == values(long) and
             all(len(line) <= WIDTH for line in wrapped(long).splitlines()) and
             written_as('{"key":"cof_live_0123abc"}\n\n', "json") == ['{"key":"cof_live_..."}'] and
             written_as('{"secret":"whsec_a+/4="}\n', "json") == ['{"secret":"whsec_..."}'])
    return 0 if sound else 1


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    if not 2 <= len(sys.argv) <= 3 or sys.argv[2:] not in ([], ["--write"]):
        sys.exit(__doc__)
    path = pathlib.Path(sys.argv[1])
    differences, written = play(path.read_text(encoding="utf-8"),
                                {written: os.environ.get(name, written) for written, name in WRITTEN.items()})
    if sys.argv[2:]:
        path.write_text(written, encoding="utf-8")
    for line in differences:
        print(line)
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
