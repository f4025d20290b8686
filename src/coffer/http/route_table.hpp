// The part of the router that does not depend on what hangs at a route.
#pragma once

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "coffer/base/assert.hpp"
#include "coffer/base/ids.hpp"
#include "coffer/http/query_string.hpp"
#include "coffer/http/request.hpp"

namespace coffer::http {

/// How many methods there are, for tables indexed by method.
inline constexpr std::size_t method_count = static_cast<std::size_t>(method::connect) + 1;

/// How a look-up ended.
enum class route_outcome : std::uint8_t {
  found,
  not_found,           ///< no route has this path: 404
  method_not_allowed,  ///< routes have this path, but not this method: 405 with Allow
  whole_server,        ///< OPTIONS * asks for no path (RFC 9110 section 9.3.7): 204 with Allow
};

/// The integers of a path in order, at most three, and the text of a path that has one.
class path_params {
 public:
  static constexpr std::size_t capacity = 3;

  void push(std::int64_t value) {
    COFFER_ASSERT(size_ < capacity);
    values_[size_++] = value;
  }
  [[nodiscard]] std::int64_t operator[](std::size_t index) const {
    COFFER_ASSERT(index < size_);
    return values_[index];
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  void set_text(std::string_view segment) { text_ = segment; }
  /// The segment of a text parameter as sent, percent-encoded. Points into the path.
  [[nodiscard]] std::string_view text() const noexcept { return text_; }

 private:
  std::array<std::int64_t, capacity> values_{};
  std::size_t size_ = 0;
  std::string_view text_;
};

/// Maps methods and paths to the numbers that add() was given. See router, which adds the handlers.
class route_table {
 public:
  /// One line of the table.
  struct route {
    method verb;
    std::string_view pattern;
    std::size_t index;
  };

  struct result {
    route_outcome outcome = route_outcome::not_found;
    std::size_t index = 0;
    std::string_view pattern;
    path_params params;
    std::string_view allow;
  };

  void add(method verb, std::string_view pattern, std::size_t index);
  void compile();
  [[nodiscard]] result match(method verb, std::string_view path) const;
  [[nodiscard]] const std::vector<route>& routes() const noexcept { return routes_; }

 private:
  static constexpr std::size_t max_segments = 8;
  static constexpr std::string_view text_parameter = "{}";
  static constexpr std::size_t none = static_cast<std::size_t>(-1);

  /// A segment of a pattern; an empty literal stands for an integer parameter, text_parameter for a text.
  using literals = std::vector<std::string_view>;

  /// All routes of one path.
  struct resource {
    literals segments;
    std::string_view pattern;
    std::array<std::size_t, method_count> index_of;  ///< by method; none
    std::string allow;
  };

  static literals split(std::string_view pattern);
  /// `segments` are decoded, `sent` are not.
  static bool fit(const resource& candidate, const std::string_view* segments, const std::string_view* sent,
                  path_params& params);
  resource& resource_for(const route& r);
  const resource* find(std::string_view path, path_params& params) const;

  std::vector<route> routes_;
  std::array<std::vector<resource>, max_segments + 1> by_size_;  ///< by the number of segments
  std::string allow_any_;  ///< what TRACE and CONNECT are told where there is no resource
  bool compiled_ = false;
};

namespace detail {

constexpr bool never_allowed(method verb) { return verb == method::trace || verb == method::connect; }

/// The integer of a parameter segment: 1 to 2^53-1 in plain decimal, without sign or leading zero.
inline std::optional<std::int64_t> to_id(std::string_view text) {
  constexpr std::size_t longest = 16;  // digits of 2^53-1
  if (text.empty() || text.size() > longest || text.front() < '1' || text.front() > '9') {
    return std::nullopt;
  }
  std::int64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size() || value > max_json_integer) {
    return std::nullopt;
  }
  return value;
}

inline std::string methods_of(const std::array<std::size_t, method_count>& index_of, std::size_t none) {
  std::string list;
  for (std::size_t i = 0; i < method_count; ++i) {
    const bool head_of_get =
        i == static_cast<std::size_t>(method::head) && index_of[static_cast<std::size_t>(method::get)] != none;
    if (index_of[i] != none || head_of_get) {
      list.append(list.empty() ? "" : ", ").append(to_string(static_cast<method>(i)));
    }
  }
  return list;
}

/// Removes "/v1" in front of a further segment.
inline std::string_view without_version(std::string_view path) {
  constexpr std::string_view prefix = "/v1";
  return path.starts_with(prefix) && path.size() > prefix.size() && path[prefix.size()] == '/'
             ? path.substr(prefix.size())
             : path;
}

}  // namespace detail

inline void route_table::add(method verb, std::string_view pattern, std::size_t index) {
  COFFER_ASSERT(!compiled_);
  routes_.push_back(route{verb, pattern, index});
}

inline route_table::literals route_table::split(std::string_view pattern) {
  const auto malformed = [&](std::string_view why) {
    return std::invalid_argument(fmt::format("route {}: {}", pattern, why));
  };
  if (!pattern.starts_with('/')) {
    throw malformed("a path starts with a slash");
  }
  literals segments;
  if (pattern == "/") {
    return segments;
  }
  std::size_t parameters = 0;
  std::size_t texts = 0;
  for (std::string_view rest = pattern; !rest.empty();) {
    rest.remove_prefix(1);
    const std::string_view segment = rest.substr(0, rest.find('/'));
    rest.remove_prefix(segment.size());
    const bool parameter = segment.starts_with('{') && segment.ends_with('}') && segment.size() > 2;
    const std::string_view name = parameter ? segment.substr(1, segment.size() - 2) : segment;
    if (name.empty() || name.find_first_of("{}%?#") != std::string_view::npos) {
      throw malformed("a segment is a literal or {name}");
    }
    if (!parameter && detail::to_id(segment)) {
      throw malformed("a literal number cannot be told from a parameter");
    }
    parameters += parameter ? 1U : 0U;
    const bool is_text = parameter && (name.ends_with("_key") || name.ends_with("_code"));
    texts += is_text ? 1U : 0U;
    segments.push_back(is_text ? text_parameter : parameter ? std::string_view{} : segment);
  }
  if (segments.size() > max_segments || parameters - texts > path_params::capacity || texts > 1) {
    throw malformed("too many segments or parameters");
  }
  return segments;
}

inline route_table::resource& route_table::resource_for(const route& r) {
  literals segments = split(r.pattern);
  auto& same_size = by_size_[segments.size()];
  for (resource& known : same_size) {
    if (known.segments == segments) {
      if (known.pattern != r.pattern) {
        throw std::invalid_argument(
            fmt::format("routes {} and {}: one path with two spellings", known.pattern, r.pattern));
      }
      return known;
    }
  }
  resource& made = same_size.emplace_back();
  made.segments = std::move(segments);
  made.pattern = r.pattern;
  made.index_of.fill(none);
  return made;
}

inline void route_table::compile() {
  COFFER_ASSERT(!compiled_);
  std::array<std::size_t, method_count> any;
  any.fill(none);
  for (const route& r : routes_) {
    if (detail::never_allowed(r.verb)) {
      throw std::invalid_argument(
          fmt::format("route {} {}: this method is never served", to_string(r.verb), r.pattern));
    }
    std::size_t& place = resource_for(r).index_of[static_cast<std::size_t>(r.verb)];
    if (place != none) {
      throw std::invalid_argument(fmt::format("route {} {} is there twice", to_string(r.verb), r.pattern));
    }
    place = r.index;
    any[static_cast<std::size_t>(r.verb)] = r.index;
  }
  for (auto& same_size : by_size_) {
    for (resource& known : same_size) {
      known.allow = detail::methods_of(known.index_of, none);
    }
  }
  allow_any_ = detail::methods_of(any, none);
  compiled_ = true;
}

inline bool route_table::fit(const resource& candidate, const std::string_view* segments, const std::string_view* sent,
                             path_params& params) {
  params = path_params{};
  for (std::size_t i = 0; i < candidate.segments.size(); ++i) {
    const std::string_view literal = candidate.segments[i];
    if (literal == text_parameter) {
      params.set_text(sent[i]);
    } else if (!literal.empty()) {
      if (segments[i] != literal) {
        return false;
      }
    } else if (const auto id = detail::to_id(segments[i])) {
      params.push(*id);
    } else {
      return false;
    }
  }
  return true;
}

inline const route_table::resource* route_table::find(std::string_view path, path_params& params) const {
  if (!path.starts_with('/')) {
    return nullptr;
  }
  path = detail::without_version(path);
  if (path == "/") {
    path.remove_prefix(1);
  }
  const std::size_t whole = path.size();
  std::array<std::string_view, max_segments> segments;
  std::array<std::string_view, max_segments> sent;
  std::string decoded;  // segments that were encoded; never grows beyond what it reserves
  std::size_t count = 0;
  while (!path.empty()) {
    path.remove_prefix(1);
    std::string_view segment = path.substr(0, path.find('/'));
    path.remove_prefix(segment.size());
    if (segment.empty() || count == max_segments) {
      return nullptr;
    }
    sent[count] = segment;
    if (segment.find('%') != std::string_view::npos) {
      auto plain = percent_decode(segment, false);
      if (!plain) {
        return nullptr;
      }
      decoded.reserve(whole);
      const std::size_t begin = decoded.size();
      decoded += *plain;
      segment = std::string_view{decoded}.substr(begin);
    }
    segments[count++] = segment;
  }
  for (const resource& candidate : by_size_[count]) {
    if (fit(candidate, segments.data(), sent.data(), params)) {
      return &candidate;
    }
  }
  return nullptr;
}

inline route_table::result route_table::match(method verb, std::string_view path) const {
  COFFER_ASSERT(compiled_);
  result answer;
  if (verb == method::options && path == "*") {
    answer.outcome = route_outcome::whole_server;
    answer.allow = allow_any_;
    return answer;
  }
  const resource* found = find(path, answer.params);
  if (found == nullptr) {
    if (detail::never_allowed(verb)) {
      answer.outcome = route_outcome::method_not_allowed;
      answer.allow = allow_any_;
    }
    return answer;
  }
  answer.pattern = found->pattern;
  answer.index = found->index_of[static_cast<std::size_t>(verb)];
  if (answer.index == none && verb == method::head) {
    answer.index = found->index_of[static_cast<std::size_t>(method::get)];
  }
  answer.outcome = answer.index == none ? route_outcome::method_not_allowed : route_outcome::found;
  answer.allow = found->allow;
  return answer;
}

}  // namespace coffer::http
