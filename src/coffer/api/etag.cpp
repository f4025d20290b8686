#include "coffer/api/etag.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "coffer/api/vocabulary.hpp"
#include "coffer/base/hash.hpp"

namespace coffer::api {

std::string make_etag(version at) { return fmt::format("\"{}\"", at.value); }

std::string digest_etag(std::string_view bytes) {
  constexpr std::size_t tag_bytes = 16;
  const sha256_digest digest = sha256(bytes);
  return '"' + to_hex(std::span{digest}.first(tag_bytes)) + '"';
}

namespace {

parameter tags_parameter(std::string_view name, std::string_view text, std::string_view example) {
  parameter made{.in = parameter::place::header, .info = {}, .example = example};
  made.info.name = name;
  made.info.type = "string";
  made.info.description = text;
  made.info.maximum = longest_header;
  return made;
}

void skip_space(std::string_view& text) { text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size())); }

/// etagc of RFC 9110 section 8.8.3.
bool is_tag_character(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte == 0x21 || (byte >= 0x23 && byte != 0x7F);
}

struct entity_tag {
  std::string_view opaque;  ///< with the quotes
  bool is_weak;
};

/// Cuts one entity tag off the front; nullopt when there is none.
std::optional<entity_tag> take_tag(std::string_view& text) {
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

}  // namespace

parameter none_match_parameter(std::string_view example) {
  return tags_parameter("If-None-Match", "Entity tags that the client has, or *.", example);
}

parameter match_parameter(std::string_view example) {
  return tags_parameter("If-Match", "Entity tags of what the client means; it is refused with 412 when it has another.",
                        example);
}

bool none_match_hits(std::string_view if_none_match, std::string_view etag) {
  return list_hits(if_none_match, [etag](const entity_tag& t) { return t.opaque == etag; });
}

bool match_hits(std::string_view if_match, std::string_view etag) {
  return list_hits(if_match, [etag](const entity_tag& t) { return !t.is_weak && t.opaque == etag; });
}

condition condition_of(const http::request& r, std::string_view etag) {
  if (const auto wanted = r.list("If-Match"); wanted && !match_hits(*wanted, etag)) {
    return condition::failed;
  }
  const auto known = r.list("If-None-Match");
  return known && none_match_hits(*known, etag) ? condition::not_modified : condition::met;
}

}  // namespace coffer::api
