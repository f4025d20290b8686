#include "coffer/api/accept.hpp"
#include "coffer/api/document.hpp"
#include "coffer/api/handlers.hpp"
#include "coffer/api/pages.hpp"
#include "coffer/api/problem.hpp"

namespace coffer::api {

namespace {

http::response serve_page(const document& what, std::string_view type, const http::request& r,
                          std::string_view varies = {}) {
  http::response answer = serve(what, type, r, varies);
  if (answer.status < 400) {
    answer.add("Content-Security-Policy", std::string{pages::policy});
  }
  return answer;
}

/// Browsers name HTML in what they accept, programs do not.
bool wants_html(const http::request& r) {
  const std::string accept = r.list("Accept").value_or("");
  const int html = accept_weight(accept, "text/html");
  return html > 0 && html >= accept_weight(accept, "application/json");
}

http::response html(std::string text) {
  http::response answer{200, pages::html_type, std::move(text)};
  answer.add("Vary", "Accept");
  answer.add("Content-Security-Policy", std::string{pages::policy});
  return answer;
}

http::response json(std::string text) {
  http::response answer{200, http::json_type, std::move(text)};
  answer.add("Vary", "Accept");
  return answer;
}

}  // namespace

http::response get_root(context& with, call c) {
  if (!wants_html(c.request)) {
    return serve(with.described.root, http::json_type, c.request, "Accept");
  }
  http::response answer{303};
  answer.add("Location", "/docs");
  answer.add("Cache-Control", "no-cache");
  answer.add("Vary", "Accept");
  return answer;
}

http::response get_openapi(context& with, call c) { return serve(with.described.openapi, http::json_type, c.request); }

http::response get_docs(context& with, call c) { return serve_page(with.described.docs, pages::html_type, c.request); }

http::response get_docs_style(context& with, call c) {
  return serve_page(with.described.docs_style, pages::css_type, c.request);
}

http::response get_docs_script(context& with, call c) {
  return serve_page(with.described.docs_script, pages::js_type, c.request);
}

http::response list_problems(context& with, call c) {
  return wants_html(c.request) ? serve_page(with.described.problems_page, pages::html_type, c.request, "Accept")
                               : serve(with.described.problems, http::json_type, c.request, "Accept");
}

http::response get_problem(context&, call c) {
  const auto code = errc_from_string(c.params.text());
  if (!code) {
    return problem(error{errc::not_found, "No problem has this code; /problems lists them all."}, c.request.request_id);
  }
  return wants_html(c.request) ? html(pages::problem_html(*code)) : json(pages::problem_json(*code));
}

}  // namespace coffer::api
