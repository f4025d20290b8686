// The part of the router that does not depend on what hangs at a route.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "coffer/base/assert.hpp"
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

}  // namespace coffer::http
