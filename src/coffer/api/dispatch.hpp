// From the head of a request to its answer: route, call the handler, turn failures into problems, count and log.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <variant>
#include <vector>

#include "coffer/api/browsers.hpp"
#include "coffer/api/context.hpp"
#include "coffer/api/routes.hpp"
#include "coffer/base/metrics.hpp"
#include "coffer/http/handler.hpp"

namespace coffer::api {

/// How dispatch behaves besides answering.
struct dispatch_options {
  bool access_log = true;                ///< one line per request: info, 5xx warn, probes debug
  std::chrono::milliseconds slow{1000};  ///< from then on the line is a warning
  cors origins;                          ///< whose pages may read answers
  host_guard hosts;                      ///< under which names the server is asked
};

/// The public API as an HTTP handler. One instance per thread.
class dispatch final : public http::handler {
 public:
  dispatch(context with, dispatch_options options);

  http::eventual_response handle(http::request& r) override;
  http::response reject(const http::rejection& why, const http::request& r) override;

 private:
  /// Route, method, status.
  using series_key = std::tuple<std::string_view, std::string_view, int>;
  struct series {
    metrics::histogram seconds;
    metrics::counter answered;
  };

  using waiting_handler = std::variant_alternative_t<0, route_handler>;

  net::task<http::response> run(const endpoint* leads_to, http::request& r, http::path_params params,
                                std::string_view pattern, admission by, std::optional<auth::unknown_key> unknown);
  result<void> admit(admission& by, const endpoint& leads_to, const http::request& r, const http::path_params& params);
  /// `leads_to` and `by`: null when the request reached no route.
  void finish(const http::request& r, std::string_view pattern, std::string_view method, http::response& answer,
              const endpoint* leads_to, const admission* by);
  void log(const http::request& r, std::string_view pattern, std::string_view method, const http::response& answer,
           const endpoint* leads_to, const admission& by, std::chrono::steady_clock::duration took,
           std::string_view trace_id) const;
  void count(std::string_view pattern, std::string_view method, int status, std::chrono::duration<double> took);

  context with_;
  dispatch_options options_;
  http::router<endpoint> routes_;
  std::map<series_key, series> metrics_;
};

/// What an infrastructure failure means to the client: unavailable (certainly not applied), outcome_unknown (a write
/// whose answer is missing) or internal (the database refused what we sent: a bug).
errc code_of(const pg::error& failure, bool writes) noexcept;

}  // namespace coffer::api
