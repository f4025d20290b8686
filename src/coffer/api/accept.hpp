// Which of several forms a client prefers (RFC 9110 section 12.5).
#pragma once

#include <algorithm>
#include <optional>
#include <string_view>

#include "coffer/base/ascii.hpp"
#include "coffer/http/request.hpp"

namespace coffer::api {

namespace detail {

/// Cuts off what is in front of the next `mark`.
inline std::string_view take(std::string_view& rest, char mark) {
  const std::string_view part = rest.substr(0, rest.find(mark));
  rest.remove_prefix(std::min(part.size() + 1, rest.size()));
  return ascii::trim(part);
}

/// A weight by RFC 9110 section 12.4.2: 0 to 1 with at most three decimals. Anything else is 0.
inline int thousandths(std::string_view q) {
  const bool has_form = !q.empty() && (q[0] == '0' || q[0] == '1') && q.size() <= 5 && (q.size() == 1 || q[1] == '.');
  int value = has_form ? (q[0] - '0') * 1000 : 0;
  int place = 100;
  for (const char digit : q.substr(has_form ? std::min<std::size_t>(q.size(), 2) : q.size())) {
    if (digit < '0' || digit > '9') {
      return 0;
    }
    value += (digit - '0') * place;
    place /= 10;
  }
  return value <= 1000 ? value : 0;
}

}  // namespace detail

/// The weight that a list of preferences gives to an element as it is spelled, in thousandths; nullopt when it does not
/// name it.
inline std::optional<int> weight_in(std::string_view list, std::string_view wanted) {
  while (!list.empty()) {
    std::string_view element = detail::take(list, ',');
    if (!http::equal_ignoring_case(detail::take(element, ';'), wanted)) {
      continue;
    }
    int weight = 1000;
    while (!element.empty()) {
      const std::string_view parameter = detail::take(element, ';');
      if (parameter.starts_with("q=") || parameter.starts_with("Q=")) {
        weight = detail::thousandths(parameter.substr(2));
      }
    }
    return weight;
  }
  return std::nullopt;
}

/// The weight that an Accept value gives to a media range as it is spelled, in thousandths; 0 when it does not name it.
inline int accept_weight(std::string_view accept, std::string_view range) {
  return weight_in(accept, range).value_or(0);
}

/// Whether an Accept-Encoding value asks for gzip, and no less than for the plain body (RFC 9110 section 12.5.3).
inline bool prefers_gzip(std::string_view accept_encoding) {
  std::optional<int> zipped = weight_in(accept_encoding, "gzip");
  if (!zipped) {
    zipped = weight_in(accept_encoding, "x-gzip");
  }
  if (!zipped) {
    zipped = weight_in(accept_encoding, "*");
  }
  return zipped.value_or(0) > 0 && *zipped >= weight_in(accept_encoding, "identity").value_or(0);
}

}  // namespace coffer::api
