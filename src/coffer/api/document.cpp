#include "coffer/api/document.hpp"

#include <span>

#include "coffer/api/openapi.hpp"
#include "coffer/api/pages.hpp"
#include "coffer/base/hash.hpp"
#include "coffer/json/writer.hpp"

namespace coffer::api {

document make_document(std::string text) {
  constexpr std::size_t tag_bytes = 16;
  const sha256_digest digest = sha256(text);
  return {std::move(text), '"' + to_hex(std::span{digest}.first(tag_bytes)) + '"'};
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
      docs_script{make_document(std::string{pages::docs_js})} {}

}  // namespace coffer::api
