#include "coffer/api/document.hpp"

#include <span>

#include "coffer/api/openapi.hpp"
#include "coffer/api/pages.hpp"
#include "coffer/base/hash.hpp"

namespace coffer::api {

document make_document(std::string text) {
  constexpr std::size_t tag_bytes = 16;
  const sha256_digest digest = sha256(text);
  return {std::move(text), '"' + to_hex(std::span{digest}.first(tag_bytes)) + '"'};
}

documents::documents(const document_facts& facts)
    : openapi{make_document(make_openapi(facts))},
      docs{make_document(std::string{pages::docs_html})},
      docs_style{make_document(std::string{pages::docs_css})},
      docs_script{make_document(std::string{pages::docs_js})} {}

}  // namespace coffer::api
