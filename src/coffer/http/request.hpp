// One request, as parsed. Knows neither sockets nor the parser.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "coffer/base/ascii.hpp"

namespace coffer::http {

/// The methods this server knows; everything else is 501.
// NOLINTNEXTLINE(readability-identifier-naming): delete is a keyword
enum class method : std::uint8_t { get, head, post, put, patch, delete_, options, trace, connect };

/// Fields whose value is a list: several lines of one are one list (RFC 9110 section 5.3).
inline constexpr std::array<std::string_view, 15> list_fields = {"accept",
                                                                 "accept-charset",
                                                                 "accept-encoding",
                                                                 "accept-language",
                                                                 "cache-control",
                                                                 "connection",
                                                                 "content-encoding",
                                                                 "content-language",
                                                                 "expect",
                                                                 "forwarded",
                                                                 "if-match",
                                                                 "if-none-match",
                                                                 "transfer-encoding",
                                                                 "via",
                                                                 "x-forwarded-for"};

/// The name of a field that is no list, as this program spells it. The compiler refuses the name of a list: of that,
/// one line is not the value.
class single_field {
 public:
  template <std::size_t Size>
  consteval single_field(const char (&name)[Size])
      : name_{name, Size - 1} {  // NOLINT: a literal is meant to become one
    for (const std::string_view list : list_fields) {
      bool same = list.size() == name_.size();
      for (std::size_t i = 0; same && i < list.size(); ++i) {
        same = ascii::to_lower(name_[i]) == list[i];
      }
      if (same) {
        throw "a field that is a list is read with list()";
      }
    }
  }
  [[nodiscard]] constexpr std::string_view text() const noexcept { return name_; }

 private:
  std::string_view name_;
};

class body_stream;

/// A request. Reused for all requests of a connection, so that its buffers are allocated once. Views are valid until
/// the handler has answered.
class request {
 public:
  method verb = method::get;
  int minor_version = 1;  ///< HTTP/1.x
  bool keep_alive = true;
  std::string body;               ///< once it has been collected; has room for the JSON parser's padding
  body_stream* stream = nullptr;  ///< reads the body; null when there is none
  std::string request_id;
  std::string peer;  ///< the client's address without port
  std::chrono::steady_clock::time_point received;
  std::chrono::steady_clock::time_point deadline;

  /// The path of the target as sent: undecoded, without query. "*" for OPTIONS *, the authority for CONNECT.
  [[nodiscard]] std::string_view path() const {
    return path_begin_ == path_end_ ? std::string_view{"/"}
                                    : std::string_view{target_}.substr(path_begin_, path_end_ - path_begin_);
  }
  /// What follows the first '?'; empty when there is none.
  [[nodiscard]] std::string_view query() const {
    return path_end_ < target_.size() ? std::string_view{target_}.substr(path_end_ + 1) : std::string_view{};
  }
  [[nodiscard]] std::string_view target() const { return target_; }

  /// The value of the first header called `name`, or nullopt.
  [[nodiscard]] std::optional<std::string_view> header(single_field name) const;
  /// The values of all headers called `name`, joined by commas, or nullopt when there is none.
  [[nodiscard]] std::optional<std::string> list(std::string_view name) const;
  /// How many headers are called `name`.
  [[nodiscard]] std::size_t count(std::string_view name) const;
  [[nodiscard]] std::size_t header_count() const { return fields_.size(); }
  /// Name and value of the header at `index`, in order of arrival.
  [[nodiscard]] std::pair<std::string_view, std::string_view> header_at(std::size_t index) const;

  // For whoever builds requests: the parser, and tests.
  void clear();
  void set_target(std::string_view target);
  void add_header(std::string_view name, std::string_view value);

 private:
  struct field {
    std::size_t name, name_size, value, value_size;  ///< positions in bytes_
  };

  std::string target_;
  std::size_t path_begin_ = 0;  ///< not 0 in the absolute form, "http://host/path"
  std::size_t path_end_ = 0;
  std::string bytes_;  ///< all header names and values
  std::vector<field> fields_;
};

namespace detail {

inline constexpr std::array<std::string_view, 9> methods = {"GET",    "HEAD",    "POST",  "PUT",    "PATCH",
                                                            "DELETE", "OPTIONS", "TRACE", "CONNECT"};

}  // namespace detail

/// "GET" etc.
inline std::string_view to_string(method m) noexcept { return detail::methods[static_cast<std::size_t>(m)]; }

/// The method spelled `name` (case-sensitive, RFC 9110 section 9.1), or nullopt.
inline std::optional<method> method_from_string(std::string_view name) noexcept {
  const auto* found = std::find(detail::methods.begin(), detail::methods.end(), name);
  return found == detail::methods.end() ? std::nullopt
                                        : std::optional{static_cast<method>(found - detail::methods.begin())};
}

/// Compares header names: ASCII without regard to case.
inline bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return ascii::to_lower(x) == ascii::to_lower(y); });
}

inline std::optional<std::string_view> request::header(single_field name) const {
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    const auto [n, v] = header_at(i);
    if (equal_ignoring_case(n, name.text())) {
      return v;
    }
  }
  return std::nullopt;
}

inline std::optional<std::string> request::list(std::string_view name) const {
  std::optional<std::string> all;
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    const auto [n, v] = header_at(i);
    if (!equal_ignoring_case(n, name)) {
      continue;
    }
    if (all) {
      all->append(", ").append(v);
    } else {
      all = v;
    }
  }
  return all;
}

inline std::size_t request::count(std::string_view name) const {
  std::size_t found = 0;
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    found += equal_ignoring_case(header_at(i).first, name) ? 1U : 0U;
  }
  return found;
}

inline std::pair<std::string_view, std::string_view> request::header_at(std::size_t index) const {
  const field& f = fields_[index];
  const std::string_view all{bytes_};
  return {all.substr(f.name, f.name_size), all.substr(f.value, f.value_size)};
}

inline void request::clear() {
  verb = method::get;
  minor_version = 1;
  keep_alive = true;
  body.clear();
  stream = nullptr;
  request_id.clear();
  target_.clear();
  path_begin_ = 0;
  path_end_ = 0;
  bytes_.clear();
  fields_.clear();
}

inline void request::set_target(std::string_view target) {
  target_ = target;
  path_begin_ = 0;
  const std::size_t scheme_end = target.find("://");
  if (scheme_end != std::string_view::npos && !target.starts_with('/')) {
    path_begin_ = std::min(target.find_first_of("/?", scheme_end + 3), target.size());
  }
  path_end_ = std::min(target.find('?', path_begin_), target.size());
}

inline void request::add_header(std::string_view name, std::string_view value) {
  const field f{bytes_.size(), name.size(), bytes_.size() + name.size(), value.size()};
  bytes_.append(name).append(value);
  fields_.push_back(f);
}

}  // namespace coffer::http
