#include "coffer/api/openapi/pages.hpp"

#include <algorithm>
#include <iterator>
#include <span>
#include <vector>

#include <fmt/format.h>

#include "coffer/api/openapi/parts.hpp"
#include "coffer/api/problem_table.hpp"
#include "coffer/api/shape.hpp"
#include "coffer/api/vocabulary.hpp"

namespace coffer::api {

/// What one code means, as JSON.
struct problem_page {
  errc code;
};

/// All of them.
struct problem_pages {
  std::span<const problem_page> items;
};

template <typename Sink>
void members_of(Sink& out, const problem_number& n) {
  out.called("ProblemMember");
  out.member("name", n.name, {.maximum = longest_code});
  out.member("description", n.text, {.maximum = longest_detail});
}

template <typename Sink>
void members_of(Sink& out, const problem_page& of) {
  static constexpr std::string_view advices[] = {"corrected", "changed", "later", "same_key"};
  const problem_kind& kind = kind_of(of.code);
  std::vector<problem_number> numbers;
  std::copy_if(kind.numbers.begin(), kind.numbers.end(), std::back_inserter(numbers),
               [](const problem_number& n) { return !n.name.empty(); });
  out.called("ProblemKind");
  out.member("code", to_string(of.code), {.maximum = longest_code});
  out.member("status", kind.status, {.minimum = 400, .maximum = 599});
  out.member("title", kind.title, {.maximum = 100});
  out.member("detail", kind.detail, {.text = "What happened.", .maximum = longest_detail});
  out.member("cause", kind.cause, {.text = "When it happens and what to do about it.", .maximum = longest_detail});
  out.member("retry", to_string(kind.advice),
             {.text = "What a request must be to succeed when it is sent again.", .names = advices});
  out.member("advice", sentence_of(kind.advice), {.text = "The same for a person.", .maximum = longest_detail});
  out.list("members", std::span<const problem_number>{numbers}, {.text = "What problems of this code carry besides."});
  out.written("example", "Problem", openapi::problem_example(of.code), true);
}

template <typename Sink>
void members_of(Sink& out, const problem_pages& of) {
  out.called("ProblemKinds");
  out.list("items", of.items, {});
}

}  // namespace coffer::api

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

std::string problem_json(errc code) { return rendered(problem_page{code}); }

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
  std::vector<problem_page> all;
  all.reserve(errc_count);
  for (std::size_t i = 0; i < errc_count; ++i) {
    all.push_back({static_cast<errc>(i)});
  }
  return rendered(problem_pages{all});
}

void add_shapes(shapes& all) {
  const problem_page sample[] = {{errc::sold_out}};
  all.add(sample[0]);
  all.add(problem_pages{sample});
}

}  // namespace coffer::api::pages
