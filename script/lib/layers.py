#!/usr/bin/env python3
"""Checks the layer arrows, the fences around third-party headers, the build lists and forbidden text of a source tree.

usage: layers.py TREE        prints one line per violation; exit status 1 when there is any
       layers.py --self-test feeds a violating tree per rule and demands that it is caught
"""

import pathlib
import re

import trees

# What each folder of src/coffer may include besides itself. Arrows point down only.
ARROWS = {
    "base": [],
    "domain": ["base"],
    "net": ["base"],
    "http": ["net", "base"],
    "json": ["base"],
    "auth": ["json", "base"],
    "pg": ["net", "base"],
    "redis": ["net", "base"],
    "limit": ["redis", "net", "base"],
    "store": ["auth", "pg", "domain", "net", "base"],
    "ledger": ["store", "pg", "domain", "net", "base"],
    "cache": ["redis", "json", "domain", "net", "base"],
    "service": ["ledger", "store", "cache", "auth", "pg", "redis", "domain", "net", "base"],
    "api": ["service", "ledger", "store", "cache", "auth", "limit", "http", "json", "domain", "net", "base"],
    "app": ["api", "service", "ledger", "store", "cache", "auth", "limit", "http", "json", "pg", "redis", "domain", "net", "base"],
    "main.cpp": ["app", "base"],
}

# Third-party headers and the only files of src/coffer that may name them.
FENCES = {
    r"llhttp\.h": r"http/parser_machine\.hpp",
    r"simdjson\.h": r"json/reader[^/]*",
    r"hiredis/.*|hiredis\.h|async\.h": r"redis/.*",
    r"libpq-fe\.h|libpq/.*": r"pg/.*",
    r"asio\.hpp|asio/.*": r"net/asio\.hpp|net/asio_impl\.cpp",
    r"spdlog/.*": r"base/log\.cpp",
    r"prometheus/.*": r"base/metrics\.cpp",
    r"CLI/.*": r"main\.cpp|app/command_line[^/]*",
    r"zlib\.h": r"base/gzip\.cpp",
    r"curl/.*": r"net/outgoing\.cpp",
    r"openssl/.*": r"base/hash\.cpp|auth/jwt_keys\.cpp|net/tls\.cpp",
}

# Files that must not see asio, not even through our own headers.
WITHOUT_ASIO = (
    r"(base|domain|json|auth)/.*|http/(router|request|response|limits)[^/]*|main\.cpp|"
    r"app/(command|env_file|migrations|setting|suggestion)[^/]*"
)

# Text that belongs to somebody's machine or desk.
FORBIDDEN = r"/work/|/home/\w|/root/|/Users/\w|\bTODO\b|\bFIXME\b|\bXXX\b(?!X)"

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
SOURCE_SUFFIXES = (".hpp", ".cpp")


def line_of(text, position):
    return text.count("\n", 0, position) + 1


class Tree:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.violations = []
        self.sources = {}
        for top in ("src", "tests", "bench"):
            for path in sorted((self.root / top).rglob("*")):
                if path.suffix in SOURCE_SUFFIXES:
                    self.sources[path.relative_to(self.root).as_posix()] = path.read_text(encoding="utf-8")

    def report(self, path, line, message):
        self.violations.append(f"{path}:{line}: {message}")

    def includes(self, path):
        text = self.sources[path]
        for match in INCLUDE.finditer(text):
            yield line_of(text, match.start()), match.group(1), match.group(2)

    def check_arrows_and_fences(self):
        for path in self.sources:
            if not path.startswith("src/coffer/"):
                continue
            inside = path.removeprefix("src/coffer/")
            folder = inside.split("/")[0]
            if inside == "pch.hpp":
                continue
            if folder not in ARROWS:
                self.report(path, 1, f"the folder {folder} has no place in the layers")
                continue
            for line, quote, header in self.includes(path):
                if header.startswith("coffer/"):
                    target = header.split("/")[1]
                    if target != folder and target not in ARROWS[folder]:
                        self.report(path, line, f"{folder} must not include {header}")
                elif quote == '"':
                    self.report(path, line, f'"{header}" is not spelled from src, as "coffer/..."')
                for third_party, allowed in FENCES.items():
                    if re.fullmatch(third_party, header) and not re.fullmatch(allowed, inside):
                        self.report(path, line, f"<{header}> belongs to {allowed} alone")

    def check_asio_reach(self):
        def path_to_asio(path, seen):
            for _, _, header in self.includes(path):
                if header == "asio.hpp" or header.startswith("asio/"):
                    return [header]
                following = "src/" + header
                if following in self.sources and following not in seen:
                    seen.add(following)
                    rest = path_to_asio(following, seen)
                    if rest:
                        return [header, *rest]
            return []

        for path in self.sources:
            if re.fullmatch(WITHOUT_ASIO, path.removeprefix("src/coffer/")):
                route = path_to_asio(path, {path})
                if route:
                    self.report(path, 1, "must not see asio, but does through " + " > ".join(route))

    def check_build_lists(self):
        """A file that no meson.build names is not compiled, and a test in it never runs."""
        for path in self.sources:
            if not path.endswith(".cpp"):
                continue
            directory = pathlib.PurePosixPath(path).parent
            name = pathlib.PurePosixPath(path)
            while True:
                build_file = self.root / directory / "meson.build"
                if build_file.exists() and f"'{name.relative_to(directory)}'" in build_file.read_text(encoding="utf-8"):
                    break
                if directory == pathlib.PurePosixPath("."):
                    self.report(path, 1, "no meson.build names this file")
                    break
                directory = directory.parent

    def check_text(self):
        for path, text in self.sources.items():
            for match in re.finditer(FORBIDDEN, text):
                self.report(path, line_of(text, match.start()), f"forbidden text: {match.group(0)}")
        for path in sorted(self.root.glob("**/*")):
            inside = path.relative_to(self.root).as_posix()
            if path.suffix not in (".md", ".build", ".sql", ".yml", ".yaml") or re.match(
                r"build|\.|subprojects/|tests/openapi/node_modules/", inside
            ):
                continue
            for match in re.finditer(FORBIDDEN, path.read_text(encoding="utf-8")):
                self.report(inside, line_of(path.read_text(encoding="utf-8"), match.start()),
                            f"forbidden text: {match.group(0)}")

    def check_document(self):
        """The table of folders tells the same arrows."""
        document = self.root / "docs/ARCHITECTURE.md"
        text = document.read_text(encoding="utf-8") if document.exists() else ""
        told = {name: re.findall(r"\w+", may) for names, may in re.findall(r"^\| (`\w+`.*?) \|.*\| ([\w, –]*) \|$", text, re.M)
                for name in re.findall(r"\w+", names)}
        for folder, may in ARROWS.items():
            if told and folder != "main.cpp" and sorted(told.get(folder, ["?"])) != sorted(may):
                self.report("docs/ARCHITECTURE.md", 1, f"does not say that {folder} may use {', '.join(may) or 'nothing'}")

    def check(self):
        self.check_arrows_and_fences()
        self.check_document()
        self.check_asio_reach()
        self.check_build_lists()
        self.check_text()
        return self.violations


GOOD_TREE = {
    "meson.build": "executable('coffer', 'src/coffer/main.cpp')\n",
    "src/coffer/main.cpp": '#include "coffer/app/serve.hpp"\n',
    "src/coffer/app/serve.hpp": '#include "coffer/api/routes.hpp"\n',
    "src/coffer/api/routes.hpp": '#include "coffer/http/router.hpp"\n#include "coffer/service/shop.hpp"\n',
    "src/coffer/service/shop.hpp": '#include "coffer/ledger/lane.hpp"\n',
    "src/coffer/ledger/lane.hpp": '#include "coffer/domain/money.hpp"\n',
    "src/coffer/domain/money.hpp": '#include "coffer/base/error.hpp"\n',
    "src/coffer/base/error.hpp": "#include <string>\n",
    "src/coffer/net/asio.hpp": "#include <asio/awaitable.hpp>\n",
    "src/coffer/net/task.hpp": '#include "coffer/net/asio.hpp"\n',
    "src/coffer/http/router.hpp": '#include "coffer/base/error.hpp"\n',
    "src/coffer/http/meson.build": "files('parser.cpp')\n",
    "src/coffer/http/parser_machine.hpp": "#include <llhttp.h>\n",
    "src/coffer/http/parser.cpp": '#include "coffer/http/parser_machine.hpp"\n',
    "src/coffer/pg/connection.hpp": "#include <libpq-fe.h>\n",
}

# Each entry breaks one rule of the good tree; the text must occur in a violation.
BAD = [
    ("src/coffer/base/error.hpp", '#include "coffer/domain/money.hpp"\n', "base must not include"),
    ("src/coffer/domain/money.hpp", '#include "coffer/net/task.hpp"\n', "domain must not include"),
    ("src/coffer/http/router.hpp", '#include "coffer/domain/money.hpp"\n', "http must not include"),
    ("src/coffer/service/shop.hpp", '#include "coffer/api/routes.hpp"\n', "service must not include"),
    ("src/coffer/ledger/lane.hpp", '#include "coffer/cache/inventory.hpp"\n', "ledger must not include"),
    ("src/coffer/util/misc.hpp", "", "has no place in the layers"),
    ("src/coffer/base/error.hpp", '#include "strong.hpp"\n', "is not spelled from src"),
    ("src/coffer/http/session.hpp", "#include <llhttp.h>\n", "<llhttp.h> belongs to"),
    ("src/coffer/api/routes.hpp", "#include <simdjson.h>\n", "<simdjson.h> belongs to"),
    ("src/coffer/cache/inventory.hpp", "#include <hiredis/hiredis.h>\n", "<hiredis/hiredis.h> belongs to"),
    ("src/coffer/store/users.hpp", "  # include <libpq-fe.h>\n", "<libpq-fe.h> belongs to"),
    ("src/coffer/service/shop.hpp", "#include <asio/post.hpp>\n", "<asio/post.hpp> belongs to"),
    ("src/coffer/service/shop.hpp", "#include <spdlog/spdlog.h>\n", "<spdlog/spdlog.h> belongs to"),
    ("src/coffer/service/shop.hpp", "#include <openssl/sha.h>\n", "<openssl/sha.h> belongs to"),
    ("src/coffer/http/router.hpp", '#include "coffer/net/task.hpp"\n', "must not see asio, but does through"),
    ("src/coffer/http/other.cpp", "", "no meson.build names this file"),
    ("tests/unit/money_test.cpp", "", "no meson.build names this file"),
    ("src/coffer/base/error.hpp", "// see /work/notes\n", "forbidden text"),
    ("docs/ARCHITECTURE.md", "as on /home/me\n", "forbidden text"),
    ("docs/ARCHITECTURE.md", "| `net`, `pg` | sockets | base |\n", "does not say that pg may use net, base"),
    ("src/coffer/base/error.hpp", "// TODO: write this\n", "forbidden text"),
]


if __name__ == "__main__":
    trees.main(lambda root: Tree(root).check(), GOOD_TREE, BAD, __doc__)
