// What stands before the handlers: credentials, scopes, limits. One per thread.
#pragma once

#include <array>
#include <string>
#include <variant>
#include <vector>

#include "coffer/api/access.hpp"
#include "coffer/auth/authenticator.hpp"
#include "coffer/base/error.hpp"
#include "coffer/http/request.hpp"
#include "coffer/http/response.hpp"
#include "coffer/limit/limiter.hpp"
#include "coffer/service/keys.hpp"

namespace coffer::api {

/// What is known of a request's sender, and how near to its limits it is.
struct admission {
  auth::principal who = auth::anybody;
  limit::route_class counted = limit::route_class::none;
  limit::dimension nearest = limit::dimension::user;  ///< of the policy that `limits` is about
  std::optional<limit::verdict> limits;               ///< the one with the least left; nullopt: nothing is limited
  std::optional<user_id> user;                        ///< whose wallet it is about, once that is known
  bool credentials_refused = false;                   ///< of a 401: there were some
  std::optional<auth::scope> missing;                 ///< of a 403 insufficient_scope
};

/// How many operations of each class a request asks for at once.
using operation_counts = std::array<std::int64_t, limit::route_class_count>;

/// Checks requests. Refusals: unauthenticated, forbidden, insufficient_scope, rate_limited, and validation_failed
/// for more operations than a limit ever allows at once.
class gate {
 public:
  /// The three outlive the gate; `limits` is shared by all threads.
  gate(auth::authenticator& credentials, limit::limiter& limits, service::keys& keys);

  /// Who sends this; a key that is not known yet needs look_up().
  std::variant<result<void>, auth::unknown_key> identify(admission& a, const http::request& r);
  /// Asks the database for a key; one look-up answers all who wait for the same key. Counts as an attempt until it is
  /// known that the key is good. Throws pg::error.
  net::task<result<void>> look_up(admission& a, const http::request& r, auth::unknown_key wanted, net::deadline until);

  /// Whether this sender may use this route now: its scope, and what is counted by key and by address.
  result<void> admit(admission& a, const access& route, const http::request& r);

  /// Whether it may do this to this user now.
  result<void> enter(admission& a, user_id user);

  /// For the operations of a batch, which admit() has not counted: whether the credentials have this scope, and whether
  /// so many may be done to this user now. All of them are taken from every limit, or nothing from any.
  static result<void> need(admission& a, auth::scope needed);
  result<void> enter(admission& a, const http::request& r, const operation_counts& wanted, user_id user);

  /// The headers that tell a client where it stands.
  void describe(const admission& a, http::response& answer) const;

 private:
  /// What is to be taken from one bucket.
  struct demand {
    limit::bucket_id from;
    std::int64_t count;
  };

  result<void> verify(admission& a, const http::request& r, const auth::unverified_token& token);
  static result<void> accept(admission& a, const auth::checked& found);
  [[nodiscard]] std::vector<demand> demands(const admission& a, const http::request& r, const operation_counts& wanted,
                                            user_id user) const;
  [[nodiscard]] result<void> check_sizes(const std::vector<demand>& all) const;
  result<void> count(admission& a, const limit::bucket_id& bucket, std::int64_t many = 1);
  result<void> count_sender(admission& a, limit::route_class what, const http::request& r);
  result<void> count_attempt(admission& a, const http::request& r);
  void forgive_attempt(const http::request& r);

  auth::authenticator& credentials_;
  limit::limiter& limits_;
  service::keys& keys_;
  std::array<std::string, limit::route_class_count> policy_headers_;
};

}  // namespace coffer::api
