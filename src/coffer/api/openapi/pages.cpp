#include "coffer/api/openapi/pages.hpp"

#include <fmt/format.h>

#include "coffer/api/openapi/parts.hpp"
#include "coffer/api/problem_table.hpp"
#include "coffer/json/writer.hpp"

namespace coffer::api::pages {

namespace {

std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string page(std::string_view title, std::string_view content) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{0} · coffer</title>\n"
      "<link rel=\"icon\" href=\"data:,\">\n<link rel=\"stylesheet\" href=\"/docs/docs.css\">\n</head>\n"
      "<body class=\"text\">\n<main>\n<nav><a href=\"/docs\">API</a> <a href=\"/problems\">Problems</a></nav>\n{1}"
      "</main>\n</body>\n</html>\n",
      escaped(title), content);
}

void write_json(json::writer& out, errc code) {
  const problem_kind& kind = kind_of(code);
  out.begin_object();
  out.key("code");
  out.value(to_string(code));
  out.key("status");
  out.value(kind.status);
  out.key("title");
  out.value(kind.title);
  out.key("detail");
  out.value(kind.detail);
  out.key("cause");
  out.value(kind.cause);
  out.key("retry");
  out.value(to_string(kind.advice));
  out.key("advice");
  out.value(sentence_of(kind.advice));
  out.key("members");
  out.begin_array();
  for (const problem_number& n : kind.numbers) {
    if (!n.name.empty()) {
      out.begin_object();
      out.key("name");
      out.value(n.name);
      out.key("description");
      out.value(n.text);
      out.end_object();
    }
  }
  out.end_array();
  out.key("example");
  out.raw(openapi::problem_example(code));
  out.end_object();
}

/// The example with a member to a line. It is flat but for lists, which stay on their lines.
std::string spread(std::string_view object) {
  std::string out;
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < object.size(); ++i) {
    const char c = object[i];
    quoted = quoted != (c == '"' && (i == 0 || object[i - 1] != '\\'));
    depth += quoted ? 0 : (c == '{' || c == '[') ? 1 : (c == '}' || c == ']') ? -1 : 0;
    if (!quoted && c == '}' && depth == 0) {
      out += '\n';
    }
    out += c;
    if (!quoted && depth == 1 && (c == ',' || (c == '{' && i == 0))) {
      out += "\n  ";
    } else if (!quoted && (c == ',' || c == ':')) {
      out += ' ';
    }
  }
  return out;
}

}  // namespace

std::string problem_html(errc code) {
  const problem_kind& kind = kind_of(code);
  std::string members;
  for (const problem_number& n : kind.numbers) {
    if (!n.name.empty()) {
      members += fmt::format("<tr><td><code>{}</code></td><td>{}</td></tr>\n", n.name, escaped(n.text));
    }
  }
  if (kind.has_errors) {
    members += "<tr><td><code>errors</code></td><td>Every broken rule: where, which, and its numbers.</td></tr>\n";
  }
  if (!members.empty()) {
    members = fmt::format("<h2>What it carries besides</h2>\n<table>\n{}</table>\n", members);
  }
  return page(kind.title,
              fmt::format("<h1>{0}</h1>\n<p><code>{1}</code> · HTTP {2}</p>\n<p>{3}</p>\n"
                          "<h2>Cause</h2>\n<p>{4}</p>\n<h2>Does it help to send it again?</h2>\n<p>{5}</p>\n"
                          "{6}<h2>Example</h2>\n<pre>{7}</pre>\n",
                          escaped(kind.title), to_string(code), kind.status, escaped(kind.detail), escaped(kind.cause),
                          escaped(sentence_of(kind.advice)), members, escaped(spread(openapi::problem_example(code)))));
}

std::string problem_json(errc code) {
  std::string text;
  json::writer out{text};
  write_json(out, code);
  return text;
}

std::string problems_html() {
  std::string rows;
  for (std::size_t i = 0; i < errc_count; ++i) {
    const auto code = static_cast<errc>(i);
    rows += fmt::format("<tr><td>{0}</td><td><a href=\"/problems/{1}\"><code>{1}</code></a></td><td>{2}</td></tr>\n",
                        kind_of(code).status, to_string(code), escaped(kind_of(code).detail));
  }
  return page(
      "Problems",
      fmt::format(
          "<h1>Problems</h1>\n<p>Every error is a problem document (RFC 9457). Its <code>code</code> "
          "never changes.</p>\n<table>\n<tr class=\"head\"><th>Status</th><th>Code</th><th>Meaning</th></tr>\n{}"
          "</table>\n",
          rows));
}

std::string problems_json() {
  std::string text;
  json::writer out{text};
  out.begin_object();
  out.key("items");
  out.begin_array();
  for (std::size_t i = 0; i < errc_count; ++i) {
    write_json(out, static_cast<errc>(i));
  }
  out.end_array();
  out.end_object();
  return text;
}

}  // namespace coffer::api::pages
