"""Writes a C++ file that holds every migration, and a depfile so that new and changed files rebuild it."""
import pathlib
import sys

folder, output, depfile = (pathlib.Path(argument) for argument in sys.argv[1:])
files = sorted(folder.glob("*.sql"))
if not files:
    sys.exit(f"{folder} holds no migration")

parts = []
for file in files:
    text = file.read_text(encoding="utf-8")
    if ')coffer_sql"' in text:
        sys.exit(f"{file} holds the end mark of the embedding")
    parts.append(f'    {{"{file.name}", R"coffer_sql({text})coffer_sql"}},\n')

output.write_text(
    '#include "coffer/app/migrations.hpp"\n\n'
    "namespace coffer::app {\n\n"
    "namespace {\n\n"
    f"constexpr embedded_migration files[] = {{\n{''.join(parts)}}};\n\n"
    "}  // namespace\n\n"
    "std::span<const embedded_migration> embedded_migrations() noexcept { return files; }\n\n"
    "}  // namespace coffer::app\n",
    encoding="utf-8",
)


def word(path):
    """A path as one word of a depfile, which has the syntax of make."""
    text = str(path)
    for mark, instead in (("$", "$$"), (" ", "\\ "), ("#", "\\#")):
        text = text.replace(mark, instead)
    return text


# The folder itself changes when a file is added or removed.
depfile.write_text(f"{word(output)}: {' '.join(word(each) for each in (folder, *files))}\n", encoding="utf-8")
