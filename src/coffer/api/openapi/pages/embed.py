"""Writes a C++ file with the pages, each as a constant named after its file."""
import pathlib
import sys

output, *files = (pathlib.Path(argument) for argument in sys.argv[1:])
parts = []
for file in files:
    text = file.read_text(encoding="utf-8")
    if ')coffer_page"' in text:
        sys.exit(f"{file} holds the end mark of the embedding")
    name = file.name.replace(".", "_")
    parts.append(f'const std::string_view {name} = R"coffer_page({text})coffer_page";\n')

output.write_text(
    '#include "coffer/api/openapi/pages.hpp"\n\nnamespace coffer::api::pages {\n\n' + "\n".join(parts) +
    "\n}  // namespace coffer::api::pages\n", encoding="utf-8")
