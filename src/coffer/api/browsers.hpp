// What browsers do on behalf of pages: which of them may read answers, and which names a server answers to.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "coffer/http/request.hpp"
#include "coffer/http/response.hpp"

namespace coffer::api {

/// Cross-Origin Resource Sharing (Fetch standard, section 3.2): lets pages of other origins send requests with a token
/// and read the answers. Cookies play no part.
class cors {
 public:
  /// The most origins that may be named.
  static constexpr std::size_t max_origins = 64;

  /// For nobody.
  cors() = default;

  /// Reads origins with commas between them, or `*` alone for all. An origin is what browsers send: a scheme, a host,
  /// and a port where it is not the scheme's own. The error names the one that is none, and why.
  static std::expected<cors, std::string> parse(std::string_view text);

  /// A preflight is asked by the browser, not by the page; no other handler sees it.
  [[nodiscard]] bool is_preflight(const http::request& r) const;
  [[nodiscard]] http::response answer_preflight() const;

  /// Adds what the browser needs in order to let the page read this answer.
  void describe(const http::request& r, http::response& answer) const;

 private:
  bool any_ = false;
  std::vector<std::string> origins_;
};

/// The names under which a server may be asked. One without credentials is protected by nothing but its address: a page
/// in a browser on the same machine could reach it under a name of its own (DNS rebinding).
class host_guard {
 public:
  /// Under any name.
  host_guard() = default;

  /// Under localhost and loopback addresses; under the address that it listens on, any where that stands for all; and
  /// under `names`, host names and IP addresses with commas between them.
  host_guard(std::string_view listen_host, std::string_view names);

  /// Whether such a list of names is one.
  static bool accepts(std::string_view names);

  /// Whether this request names the server so. Without Host it comes from no browser.
  [[nodiscard]] bool admits(const http::request& r) const;

 private:
  bool guards_ = false;
  bool any_address_ = false;
  std::vector<std::string> names_;
};

}  // namespace coffer::api
