#include "coffer/api/accept.hpp"

#include <algorithm>
#include <charconv>

#include "coffer/http/request.hpp"

namespace coffer::api {

namespace {

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) {
    text.remove_prefix(1);
  }
  while (text.ends_with(' ') || text.ends_with('\t')) {
    text.remove_suffix(1);
  }
  return text;
}

/// Cuts off what is in front of the next `mark`.
std::string_view take(std::string_view& rest, char mark) {
  const std::string_view part = rest.substr(0, rest.find(mark));
  rest.remove_prefix(std::min(part.size() + 1, rest.size()));
  return trimmed(part);
}

}  // namespace

int accept_weight(std::string_view accept, std::string_view range) {
  while (!accept.empty()) {
    std::string_view element = take(accept, ',');
    if (!http::equal_ignoring_case(take(element, ';'), range)) {
      continue;
    }
    int weight = 1000;
    while (!element.empty()) {
      const std::string_view parameter = take(element, ';');
      if (parameter.starts_with("q=") || parameter.starts_with("Q=")) {
        double q = 0;
        std::from_chars(parameter.data() + 2, parameter.data() + parameter.size(), q);
        weight = static_cast<int>(q * 1000);
      }
    }
    return weight;
  }
  return 0;
}

}  // namespace coffer::api
