// The documents that the server gives about itself. Made once, at start; constant and shared by all threads, and by all
// connections that are reading them.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "coffer/api/operation.hpp"
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

/// Adds the tags, and the compressed form when it is worth it.
document make_document(std::string text);

/// The members of the document at "/" and where they lead.
std::string make_index(std::string_view version);
/// 200 with the document in the form that the client prefers; 304, or 412, by the conditions of the request. `varies`:
/// the request headers that the choice of this document depends on besides Accept-Encoding, e.g. "Accept".
http::response serve(const document& what, std::string_view type, const http::request& r, std::string_view varies = {});

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
