// The documents that the server gives about itself. Made once, at start; constant and shared by all threads, and by all
// connections that are reading them.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "coffer/api/accept.hpp"
#include "coffer/api/endpoint.hpp"
#include "coffer/api/etag.hpp"
#include "coffer/api/shape.hpp"
#include "coffer/base/gzip.hpp"
#include "coffer/http/request.hpp"
#include "coffer/http/response.hpp"

namespace coffer::api {

/// A text in the forms in which it is sent.
struct document {
  /// One form. Each has an entity tag of its own (RFC 9110 section 8.8.3.3).
  struct form {
    std::shared_ptr<const std::string> bytes;
    std::string etag;  ///< strong: of the bytes
  };

  form plain;
  form zipped;  ///< gzip; no bytes when that saves too little
};

namespace detail {

inline document::form make_form(std::string bytes) {
  std::string etag = digest_etag(bytes);
  return {std::make_shared<const std::string>(std::move(bytes)), std::move(etag)};
}

}  // namespace detail

/// Adds the tags, and the compressed form when it is worth it.
inline document make_document(std::string text) {
  document made;
  std::string zipped = gzip(text);
  if (zipped.size() < text.size() - text.size() / 10) {
    made.zipped = detail::make_form(std::move(zipped));
  }
  made.plain = detail::make_form(std::move(text));
  return made;
}

/// The document at "/": where what is.
struct index {
  std::string_view version;  ///< of the program
};

template <typename Sink>
void members_of(Sink& out, const index& of) {
  static constexpr std::string_view names[] = {"coffer"};
  static constexpr std::string_view paths[] = {"/docs", "/openapi.json", "/problems", "/healthz"};
  const auto path = [](std::size_t which) { return note{.names = std::span{paths}.subspan(which, 1)}; };
  out.called("Index");
  out.member("name", names[0], {.names = names});
  out.member("version", of.version, {.maximum = 64});
  out.member("docs", paths[0], path(0));
  out.member("openapi", paths[1], path(1));
  out.member("problems", paths[2], path(2));
  out.member("health", paths[3], path(3));
}

/// 200 with the document in the form that the client prefers; 304, or 412, by the conditions of the request. `varies`:
/// the request headers that the choice of this document depends on besides Accept-Encoding, e.g. "Accept".
inline http::response serve(const document& what, std::string_view type, const http::request& r,
                            std::string_view varies = {}) {
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

/// What context refers to.
struct documents {
  explicit documents(const document_facts& facts);

  document root;  ///< what is where
  document openapi;
  document docs;
  document docs_style;
  document docs_script;
  document problems;       ///< as JSON
  document problems_page;  ///< as HTML
};

}  // namespace coffer::api
