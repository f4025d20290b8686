#include "coffer/api/document.hpp"

#include "coffer/api/accept.hpp"
#include "coffer/api/answers.hpp"
#include "coffer/api/etag.hpp"
#include "coffer/api/openapi.hpp"
#include "coffer/api/pages.hpp"
#include "coffer/base/gzip.hpp"
#include "coffer/json/writer.hpp"

namespace coffer::api {

namespace {

document::form make_form(std::string bytes) {
  std::string etag = digest_etag(bytes);
  return {std::make_shared<const std::string>(std::move(bytes)), std::move(etag)};
}

}  // namespace

document make_document(std::string text) {
  document made;
  std::string zipped = gzip(text);
  if (zipped.size() < text.size() - text.size() / 10) {
    made.zipped = make_form(std::move(zipped));
  }
  made.plain = make_form(std::move(text));
  return made;
}

http::response serve(const document& what, std::string_view type, const http::request& r, std::string_view varies) {
  const bool zips = what.zipped.bytes != nullptr;
  const bool zipped = zips && prefers_gzip(r.list("Accept-Encoding").value_or(""));
  const document::form& chosen = zipped ? what.zipped : what.plain;
  http::response whole{200};
  whole.content_type = type;
  whole.shared = chosen.bytes;
  whole.add("Cache-Control", "no-cache");
  if (zipped) {
    whole.add("Content-Encoding", "gzip");
  }
  std::string depends{varies};
  if (zips) {
    depends.append(depends.empty() ? "" : ", ").append("Accept-Encoding");
  }
  if (!depends.empty()) {
    whole.add("Vary", std::move(depends));
  }
  return conditional(std::move(whole), chosen.etag, r);
}

std::string make_index(std::string_view version) {
  std::string text;
  json::writer out{text};
  out.begin_object();
  out.key("name");
  out.value("coffer");
  out.key("version");
  out.value(version);
  out.key("docs");
  out.value("/docs");
  out.key("openapi");
  out.value("/openapi.json");
  out.key("problems");
  out.value("/problems");
  out.key("health");
  out.value("/healthz");
  out.end_object();
  return text;
}

documents::documents(const document_facts& facts)
    : root{make_document(make_index(facts.version))},
      openapi{make_document(make_openapi(facts))},
      docs{make_document(std::string{pages::docs_html})},
      docs_style{make_document(std::string{pages::docs_css})},
      docs_script{make_document(std::string{pages::docs_js})},
      problems{make_document(pages::problems_json())},
      problems_page{make_document(pages::problems_html())} {}

}  // namespace coffer::api
