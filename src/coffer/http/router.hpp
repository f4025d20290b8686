// The table of routes: method and path to whatever the application hangs there. Knows neither sockets nor handlers.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "coffer/base/assert.hpp"
#include "coffer/http/request.hpp"
#include "coffer/http/route_table.hpp"

namespace coffer::http {

/// Where a method and a path lead.
template <typename Handler>
struct route_match {
  route_outcome outcome = route_outcome::not_found;
  const Handler* handler = nullptr;  ///< with `found`; lives as long as the router
  std::string_view pattern;          ///< with `found`, e.g. "/users/{user_id}": a metrics label
  path_params params;                ///< with `found`, in the order of the path
  std::string_view allow;            ///< with `method_not_allowed` and `whole_server`: the value of the Allow field
};

/// Routes by method and path. Patterns are literal segments and `{name}` segments; those take integers from 1 to
/// 2^53-1 in plain decimal, anything else there is no such path. One segment may be a text: its name ends in "_key" or
/// "_code" and it takes whatever is not empty. Every route also answers below "/v1". HEAD falls to
/// GET. Empty segments and a trailing slash are no such path. Build with add(), then compile(), then only match().
template <typename Handler>
class router {
 public:
  /// Adds a route. `pattern` has static storage, e.g. "/users/{user_id}/inventory".
  router& add(method verb, std::string_view pattern, Handler handler) {
    table_.add(verb, pattern, handlers_.size());
    handlers_.push_back(std::move(handler));
    return *this;
  }

  /// Checks the table. Throws std::invalid_argument, naming the routes, when two of them collide or a pattern is
  /// malformed.
  void compile() { table_.compile(); }

  /// Finds the route of an encoded path (no query). Percent-encoding is decoded once, per segment. TRACE and CONNECT
  /// are never allowed, whatever the path.
  [[nodiscard]] route_match<Handler> match(method verb, std::string_view path) const {
    const route_table::result found = table_.match(verb, path);
    route_match<Handler> answer;
    answer.outcome = found.outcome;
    if (found.outcome == route_outcome::found) {
      answer.handler = &handlers_[found.index];
    }
    answer.pattern = found.pattern;
    answer.params = found.params;
    answer.allow = found.allow;
    return answer;
  }

  /// All routes in the order of add(): visit(method, pattern, handler).
  template <typename Visitor>
  void for_each(Visitor&& visit) const {
    for (const route_table::route& r : table_.routes()) {
      visit(r.verb, r.pattern, handlers_[r.index]);
    }
  }

 private:
  route_table table_;
  std::vector<Handler> handlers_;
};

}  // namespace coffer::http
