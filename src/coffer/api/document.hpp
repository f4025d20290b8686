// The documents that the server gives about itself. Made once, at start; constant and shared by all threads.
#pragma once

#include <string>
#include <string_view>

#include "coffer/api/operation.hpp"

namespace coffer::api {

/// A text with its entity tag.
struct document {
  std::string text;
  std::string etag;  ///< strong: of the bytes
};

/// Adds the tag.
document make_document(std::string text);

/// The members of the document at "/" and where they lead.
std::string make_index(std::string_view version);

/// What context refers to.
struct documents {
  explicit documents(const document_facts& facts);

  document root;  ///< what is where
  document openapi;
  document docs;
  document docs_style;
  document docs_script;
};

}  // namespace coffer::api
