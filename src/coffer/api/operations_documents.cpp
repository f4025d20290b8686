// What the server says about itself.
#include "coffer/api/etag.hpp"
#include "coffer/api/operations.hpp"
#include "coffer/api/pages.hpp"

namespace coffer::api::operations {

using enum errc;

namespace {

std::vector<parameter> conditions() {
  constexpr std::string_view example = R"("\"3f1c0a9be2d47586\"")";
  return {none_match_parameter(example), match_parameter(example)};
}

/// A file that does not change while the process runs.
operation file(std::string_view id, std::string_view summary, std::string_view text, reply whole) {
  whole.headers.insert(whole.headers.end(), {"ETag", "Vary", "Content-Encoding"});
  reply same{.status = 304, .text = "It is the one the client has.", .headers = whole.headers, .media = {}};
  return {.id = id,
          .tag = "Documents",
          .summary = summary,
          .text = text,
          .parameters = conditions(),
          .replies = {std::move(whole), std::move(same)},
          .errors = {precondition_failed}};
}

/// A page that programs get as JSON.
std::vector<reply> page_and_json(std::string_view shape) {
  return {{.text = "As JSON.", .shape = shape, .headers = {"Vary"}},
          {.text = "As a page.", .headers = {"Vary", "Content-Security-Policy"}, .media = "text/html"}};
}

/// As above, of a document that has tags and is compressed.
std::vector<reply> listed(std::vector<reply> all) {
  all.push_back({.status = 304,
                 .text = "It is the one the client has.",
                 .headers = {"Vary", "Content-Security-Policy"},
                 .media = {}});
  for (reply& each : all) {
    each.headers.insert(each.headers.end(), {"ETag", "Content-Encoding"});
  }
  return all;
}

}  // namespace

operation root(const document_facts&) {
  operation made = file("getRoot", "Where to look", "Leads a browser to /docs and tells programs what is where.",
                        {.text = "The paths.", .shape = "Index", .headers = {"ETag", "Vary"}});
  made.replies.push_back({.status = 303,
                          .text = "For a client that prefers HTML: the documentation.",
                          .headers = {"Location", "Vary"},
                          .media = {}});
  return made;
}

operation openapi(const document_facts&) {
  return file("getOpenapi", "This document",
              "Made at start from the table of routes and the descriptions that requests are checked against.",
              {.text = "The document.", .shape = "OpenApiDocument"});
}

operation docs(const document_facts&) {
  return file("getDocs", "This document in a browser",
              "A page that shows /openapi.json. Loads nothing from anywhere else.",
              {.text = "The page.", .headers = {"Content-Security-Policy"}, .media = "text/html"});
}

operation docs_style(const document_facts&) {
  return file("getDocsStyle", "The pages' style", "Of /docs and /problems.",
              {.text = "The style sheet.", .headers = {"Content-Security-Policy"}, .media = "text/css"});
}

operation docs_script(const document_facts&) {
  return file("getDocsScript", "The script of /docs", "Reads /openapi.json.",
              {.text = "The script.", .headers = {"Content-Security-Policy"}, .media = "text/javascript"});
}

operation list_problems(const document_facts&) {
  return {.id = "listProblems",
          .tag = "Documents",
          .summary = "Every error code",
          .text = "What each means, when it happens and whether sending the request again helps.",
          .parameters = conditions(),
          .replies = listed(page_and_json("ProblemKinds")),
          .errors = {precondition_failed}};
}

operation get_problem(const document_facts&) {
  return {.id = "getProblem",
          .tag = "Documents",
          .summary = "One error code",
          .text = "Where the member `type` of a problem document leads.",
          .replies = page_and_json("ProblemKind")};
}

}  // namespace coffer::api::operations
