// Entity tags, and the conditions that requests make of them.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "coffer/api/endpoint.hpp"
#include "coffer/api/problem.hpp"
#include "coffer/api/vocabulary.hpp"
#include "coffer/base/hash.hpp"
#include "coffer/base/ids.hpp"
#include "coffer/http/request.hpp"

namespace coffer::api {

namespace detail {

inline header_parameter tags_parameter(std::string_view name, std::string_view text, std::string_view example) {
  header_parameter made{.info = {}, .example = example};
  made.info.name = name;
  made.info.type = "string";
  made.info.description = text;
  made.info.maximum = longest_header;
  return made;
}

inline void skip_space(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
}

/// etagc of RFC 9110 section 8.8.3.
inline bool is_tag_character(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte == 0x21 || (byte >= 0x23 && byte != 0x7F);
}

struct entity_tag {
  std::string_view opaque;  ///< with the quotes
  bool is_weak;
};

/// Cuts one entity tag off the front; nullopt when there is none.
inline std::optional<entity_tag> take_tag(std::string_view& text) {
  const bool is_weak = text.starts_with("W/");
  if (is_weak) {
    text.remove_prefix(2);
  }
  if (!text.starts_with('"')) {
    return std::nullopt;
  }
  const std::size_t close = text.find('"', 1);
  if (close == std::string_view::npos || !std::all_of(text.begin() + 1, text.begin() + close, is_tag_character)) {
    return std::nullopt;
  }
  const std::string_view tag = text.substr(0, close + 1);
  text.remove_prefix(close + 1);
  return entity_tag{tag, is_weak};
}

/// Whether a list of tags is "*" or has one that `matches`.
template <typename Matches>
bool list_hits(std::string_view rest, Matches matches) {
  if (rest == "*") {
    return true;
  }
  bool hit = false;
  while (!rest.empty()) {
    skip_space(rest);
    if (rest.starts_with(',')) {  // empty elements are allowed: section 5.6.1
      rest.remove_prefix(1);
      continue;
    }
    if (rest.empty()) {
      break;
    }
    const auto tag = take_tag(rest);
    skip_space(rest);
    if (!tag || (!rest.empty() && rest.front() != ',')) {
      return false;
    }
    hit = hit || matches(*tag);
  }
  return hit;
}

}  // namespace detail

/// `"7"` (RFC 9110 section 8.8.3).
inline std::string make_etag(version at) { return fmt::format("\"{}\"", at.value); }

/// A tag made of the bytes of a representation: another one has another tag.
inline std::string digest_etag(std::string_view bytes) {
  constexpr std::size_t tag_bytes = 16;
  const sha256_digest digest = sha256(bytes);
  return '"' + to_hex(std::span{digest}.first(tag_bytes)) + '"';
}

/// The headers If-None-Match and If-Match for documents.
inline header_parameter none_match_parameter(std::string_view example) {
  return detail::tags_parameter("If-None-Match", "Entity tags that the client has, or *.", example);
}

inline header_parameter match_parameter(std::string_view example) {
  return detail::tags_parameter(
      "If-Match", "Entity tags of what the client means; it is refused with 412 when it has another.", example);
}

/// Whether an If-None-Match value matches `etag`: "*", or a list with an equal tag under weak comparison (RFC 9110
/// sections 13.1.2 and 8.8.3.2). A malformed list matches nothing.
inline bool none_match_hits(std::string_view if_none_match, std::string_view etag) {
  return detail::list_hits(if_none_match, [etag](const detail::entity_tag& t) { return t.opaque == etag; });
}

/// Whether an If-Match value matches `etag`: "*", or a list with an equal tag under strong comparison, where a weak tag
/// equals nothing (RFC 9110 sections 13.1.1 and 8.8.3.2). A malformed list matches nothing.
inline bool match_hits(std::string_view if_match, std::string_view etag) {
  return detail::list_hits(if_match, [etag](const detail::entity_tag& t) { return !t.is_weak && t.opaque == etag; });
}

/// What the conditions of a request come to.
enum class condition : std::uint8_t {
  met,           ///< or there is none
  not_modified,  ///< the client has it: 304
  failed,        ///< it has changed: 412
};

/// The conditions of a GET or HEAD of a representation with this tag, in the order of RFC 9110 section 13.2.2.
inline condition condition_of(const http::request& r, std::string_view etag) {
  if (const auto wanted = r.list("If-Match"); wanted && !match_hits(*wanted, etag)) {
    return condition::failed;
  }
  const auto known = r.list("If-None-Match");
  return known && none_match_hits(*known, etag) ? condition::not_modified : condition::met;
}

/// What a GET or HEAD gets of a representation with this tag, which is added: `whole`, 304 when the client has it, or
/// the refusal precondition_failed when If-Match does not name it.
inline http::response conditional(http::response whole, std::string etag, const http::request& r) {
  switch (condition_of(r, etag)) {
    case condition::met:
      break;
    case condition::not_modified:
      whole.status = 304;
      whole.content_type = {};
      whole.body.clear();
      whole.shared.reset();
      break;
    case condition::failed:
      return problem(error{errc::precondition_failed}, r.request_id);
  }
  whole.add("ETag", std::move(etag));
  return whole;
}

}  // namespace coffer::api
