#include "coffer/api/etag.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

namespace coffer::api {

std::string make_etag(version at) { return fmt::format("\"{}\"", at.value); }

parameter none_match_parameter(std::string_view example) {
  parameter made{.in = parameter::place::header, .info = {}, .example = example};
  made.info.name = "If-None-Match";
  made.info.type = "string";
  made.info.description = "Entity tags that the client has, or *.";
  return made;
}

namespace {

void skip_space(std::string_view& text) { text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size())); }

/// etagc of RFC 9110 section 8.8.3.
bool is_tag_character(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte == 0x21 || (byte >= 0x23 && byte != 0x7F);
}

/// Cuts one entity tag off the front and gives its opaque part with the quotes; nullopt when there is none.
std::optional<std::string_view> take_tag(std::string_view& text) {
  if (text.starts_with("W/")) {
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
  return tag;
}

}  // namespace

bool none_match_hits(std::string_view if_none_match, std::string_view etag) {
  std::string_view rest = if_none_match;
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
    hit = hit || *tag == etag;
  }
  return hit;
}

}  // namespace coffer::api
