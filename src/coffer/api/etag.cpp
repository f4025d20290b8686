#include "coffer/api/etag.hpp"

#include <fmt/format.h>

namespace coffer::api {

std::string make_etag(version at) { return fmt::format("\"{}\"", at.value); }

bool none_match_hits(std::string_view list, std::string_view etag) {
  if (list == "*") {
    return true;
  }
  while (!list.empty()) {
    if (list.front() == ' ' || list.front() == '\t' || list.front() == ',') {
      list.remove_prefix(1);
      continue;
    }
    if (list.starts_with("W/")) {
      list.remove_prefix(2);
    }
    if (!list.starts_with('"')) {
      return false;
    }
    const std::size_t length = list.substr(1).find('"');
    if (length == std::string_view::npos) {
      return false;
    }
    if (list.substr(0, length + 2) == etag) {
      return true;
    }
    list.remove_prefix(length + 2);
  }
  return false;
}

}  // namespace coffer::api
