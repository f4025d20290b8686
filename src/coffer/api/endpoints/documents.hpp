// What the server says about itself: /, /openapi.json, /docs and /problems.
#pragma once

#include "coffer/api/accept.hpp"
#include "coffer/api/answers.hpp"
#include "coffer/api/openapi/document.hpp"
#include "coffer/api/openapi/pages.hpp"

namespace coffer::api {

namespace detail {

inline http::response serve_page(const document& what, std::string_view type, const http::request& r,
                                 std::string_view varies = {}) {
  http::response answer = serve(what, type, r, varies);
  if (answer.status < 400) {
    answer.add("Content-Security-Policy", std::string{pages::policy});
  }
  return answer;
}

/// Browsers name HTML in what they accept, programs do not.
inline bool wants_html(const http::request& r) {
  const std::string accept = r.list("Accept").value_or("");
  const int html = accept_weight(accept, "text/html");
  return html > 0 && html >= accept_weight(accept, "application/json");
}

inline http::response html(std::string text) {
  http::response answer{200, pages::html_type, std::move(text)};
  answer.add("Vary", "Accept");
  answer.add("Content-Security-Policy", std::string{pages::policy});
  return answer;
}

inline http::response json_page(std::string text) {
  http::response answer{200, http::json_type, std::move(text)};
  answer.add("Vary", "Accept");
  return answer;
}

inline std::vector<header_parameter> conditions() {
  constexpr std::string_view example = R"("\"3f1c0a9be2d47586\"")";
  return {none_match_parameter(example), match_parameter(example)};
}

/// A file that does not change while the process runs.
inline description file(std::string_view id, std::string_view summary, std::string_view text, reply whole) {
  whole.headers.insert(whole.headers.end(), {"ETag", "Vary", "Content-Encoding"});
  reply same{.status = 304, .text = "It is the one the client has.", .headers = whole.headers, .media = {}};
  return {.id = id,
          .tag = "Documents",
          .summary = summary,
          .text = text,
          .headers = conditions(),
          .replies = {std::move(whole), std::move(same)},
          .errors = {errc::precondition_failed}};
}

/// A page that programs get as JSON.
inline std::vector<reply> page_and_json(std::string_view shape) {
  return {{.text = "As JSON.", .shape = shape, .headers = {"Vary"}},
          {.text = "As a page.", .headers = {"Vary", "Content-Security-Policy"}, .media = "text/html"}};
}

/// As above, of a document that has tags and is compressed.
inline std::vector<reply> listed(std::vector<reply> all) {
  all.push_back({.status = 304,
                 .text = "It is the one the client has.",
                 .headers = {"Vary", "Content-Security-Policy"},
                 .media = {}});
  for (reply& each : all) {
    each.headers.insert(each.headers.end(), {"ETag", "Content-Encoding"});
  }
  return all;
}

}  // namespace detail

inline http::response get_root(context& with, call c) {
  if (!detail::wants_html(c.request)) {
    return serve(with.described.root, http::json_type, c.request, "Accept");
  }
  http::response answer{303};
  answer.add("Location", "/docs");
  answer.add("Cache-Control", "no-cache");
  answer.add("Vary", "Accept");
  return answer;
}

inline void add_document_shapes(shapes& all, const document_facts& facts) {
  all.add(index{facts.version});
  pages::add_shapes(all);
  all.add("OpenApiDocument",
          R"({"type":"object","description":"See spec.openapis.org.",)"
          R"("properties":{"openapi":{"type":"string","maxLength":20}},"required":["openapi"]})",
          R"({"openapi":"3.1.0"})");
}

inline description describe_get_root(const document_facts&) {
  description made =
      detail::file("getRoot", "Where to look", "Leads a browser to /docs and tells programs what is where.",
                   {.text = "The paths.", .shape = "Index", .headers = {"ETag", "Vary"}});
  made.replies.push_back({.status = 303,
                          .text = "For a client that prefers HTML: the documentation.",
                          .headers = {"Location", "Vary"},
                          .media = {}});
  made.add_shapes = add_document_shapes;
  return made;
}

inline http::response get_openapi(context& with, call c) {
  return serve(with.described.openapi, http::json_type, c.request);
}

inline description describe_get_openapi(const document_facts&) {
  return detail::file("getOpenapi", "This document",
                      "Made at start from the table of routes and the descriptions that requests are checked against.",
                      {.text = "The document.", .shape = "OpenApiDocument"});
}

inline http::response get_docs(context& with, call c) {
  return detail::serve_page(with.described.docs, pages::html_type, c.request);
}

inline description describe_get_docs(const document_facts&) {
  return detail::file("getDocs", "This document in a browser",
                      "A page that shows /openapi.json. Loads nothing from anywhere else.",
                      {.text = "The page.", .headers = {"Content-Security-Policy"}, .media = "text/html"});
}

inline http::response get_docs_style(context& with, call c) {
  return detail::serve_page(with.described.docs_style, pages::css_type, c.request);
}

inline description describe_get_docs_style(const document_facts&) {
  return detail::file("getDocsStyle", "The pages' style", "Of /docs and /problems.",
                      {.text = "The style sheet.", .headers = {"Content-Security-Policy"}, .media = "text/css"});
}

inline http::response get_docs_script(context& with, call c) {
  return detail::serve_page(with.described.docs_script, pages::js_type, c.request);
}

inline description describe_get_docs_script(const document_facts&) {
  return detail::file("getDocsScript", "The script of /docs", "Reads /openapi.json.",
                      {.text = "The script.", .headers = {"Content-Security-Policy"}, .media = "text/javascript"});
}

inline http::response list_problems(context& with, call c) {
  return detail::wants_html(c.request)
             ? detail::serve_page(with.described.problems_page, pages::html_type, c.request, "Accept")
             : serve(with.described.problems, http::json_type, c.request, "Accept");
}

inline description describe_list_problems(const document_facts&) {
  using enum errc;
  return {.id = "listProblems",
          .tag = "Documents",
          .summary = "Every error code",
          .text = "What each means, when it happens and whether sending the request again helps.",
          .headers = detail::conditions(),
          .replies = detail::listed(detail::page_and_json("ProblemKinds")),
          .errors = {precondition_failed}};
}

inline http::response get_problem(context&, call c) {
  const auto code = errc_from_string(c.params.text());
  if (!code) {
    return problem(error{errc::not_found, "No problem has this code; /problems lists them all."}, c.request.request_id);
  }
  return detail::wants_html(c.request) ? detail::html(pages::problem_html(*code))
                                       : detail::json_page(pages::problem_json(*code));
}

inline description describe_get_problem(const document_facts&) {
  return {.id = "getProblem",
          .tag = "Documents",
          .summary = "One error code",
          .text = "Where the member `type` of a problem document leads.",
          .replies = detail::page_and_json("ProblemKind")};
}

inline constexpr endpoint document_endpoints[] = {
    {.verb = http::method::get, .path = "/", .serve = get_root, .describe = describe_get_root, .who = access::open()},
    {.verb = http::method::get,
     .path = "/openapi.json",
     .serve = get_openapi,
     .describe = describe_get_openapi,
     .who = access::open()},
    {.verb = http::method::get,
     .path = "/docs",
     .serve = get_docs,
     .describe = describe_get_docs,
     .who = access::open()},
    {.verb = http::method::get,
     .path = "/docs/docs.css",
     .serve = get_docs_style,
     .describe = describe_get_docs_style,
     .who = access::open()},
    {.verb = http::method::get,
     .path = "/docs/docs.js",
     .serve = get_docs_script,
     .describe = describe_get_docs_script,
     .who = access::open()},
    {.verb = http::method::get,
     .path = "/problems",
     .serve = list_problems,
     .describe = describe_list_problems,
     .who = access::open()},
    {.verb = http::method::get,
     .path = "/problems/{problem_code}",
     .serve = get_problem,
     .describe = describe_get_problem,
     .who = access::open()}};

}  // namespace coffer::api
