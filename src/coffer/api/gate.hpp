// What stands before the handlers: credentials, scopes, limits. One per thread.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "coffer/api/access.hpp"
#include "coffer/auth/authenticator.hpp"
#include "coffer/base/error.hpp"
#include "coffer/base/metrics.hpp"
#include "coffer/http/request.hpp"
#include "coffer/http/response.hpp"
#include "coffer/json/schema.hpp"
#include "coffer/limit/address_subject.hpp"
#include "coffer/limit/limiter.hpp"
#include "coffer/service/keys.hpp"

namespace coffer::api {

namespace detail {

inline constexpr std::array dimensions = {limit::dimension::user, limit::dimension::key, limit::dimension::address};

/// Up, so that a client that waits so long does not come too early.
inline std::int64_t seconds_up(std::chrono::nanoseconds time) {
  return std::chrono::ceil<std::chrono::seconds>(time).count();
}

inline limit::subject numbered(std::int64_t id) { return {.high = 0, .low = static_cast<std::uint64_t>(id)}; }

/// `"purchase-user";q=10;w=1, ...` (draft-ietf-httpapi-ratelimit-headers-10 section 3).
inline std::string policy_header(const limit::limiter& limits, limit::route_class what) {
  std::string text;
  for (const limit::dimension by : dimensions) {
    if (const limit::policy& p = limits.rule(what, by); p.limits()) {
      text += fmt::format("{}\"{}-{}\";q={};w={}", text.empty() ? "" : ", ", to_string(what), to_string(by), p.quota,
                          p.window.count());
    }
  }
  return text;
}

inline void note_refusal(limit::route_class what, limit::dimension by) {
  // Looked up once per thread: whoever is refused comes often.
  thread_local std::array<std::array<std::optional<metrics::counter>, limit::dimension_count>, limit::route_class_count>
      known;
  auto& series = known.at(static_cast<std::size_t>(what)).at(static_cast<std::size_t>(by));
  if (!series) {
    series = metrics::make_counter("coffer_limiter_refused_total", "Requests refused as rate_limited",
                                   {{"class", std::string{to_string(what)}}, {"by", std::string{to_string(by)}}});
  }
  series->add();
}

inline std::string_view owner_of(limit::dimension by) {
  switch (by) {
    case limit::dimension::user:
      return "user";
    case limit::dimension::key:
      return "server key";
    case limit::dimension::address:
      break;
  }
  return "address";
}

inline error too_often(limit::route_class what, limit::dimension by, const limit::verdict& v) {
  const std::string_view subject =
      what == limit::route_class::credentials ? "Attempts with wrong credentials" : "Requests";
  error why{errc::rate_limited,
            fmt::format("{} of this kind come too often from this {}. Nothing was done.", subject, owner_of(by))};
  return std::move(why).with("retry_after", std::max<std::int64_t>(seconds_up(v.retry_in), 1));
}

/// Where attempts with wrong credentials are counted.
inline limit::bucket_id attempts_of(const http::request& r) {
  return {
      .what = limit::route_class::credentials, .by = limit::dimension::address, .of = limit::address_subject(r.peer)};
}

inline bool is_guess(const auth::checked& found) {
  const auto* const refused = std::get_if<auth::refusal>(&found);
  return refused != nullptr && refused->what == auth::refused_as::wrong;
}

inline error another_user() { return {errc::forbidden, "This token belongs to another user."}; }

}  // namespace detail

/// A user as a body names it. Only the gate makes a user_id of it, so that no handler forgets to ask whether the sender
/// may touch that user.
class claimed_user_id {
 public:
  claimed_user_id() = default;
  explicit claimed_user_id(std::int64_t value) : value_{value} {}

 private:
  friend class gate;
  std::int64_t value_ = 0;
};

/// What is taken from one bucket.
struct demand {
  limit::bucket_id from;
  std::int64_t count = 1;
};

/// What is known of a request's sender, and how near to its limits it is.
struct admission {
  auth::principal who = auth::anybody;
  limit::route_class counted = limit::route_class::none;
  limit::dimension nearest = limit::dimension::user;  ///< of the policy that `limits` is about
  std::optional<limit::verdict> limits;               ///< the one with the least left; nullopt: nothing is limited
  std::vector<demand> taken;                          ///< from limits, and given back when another one refuses
  std::optional<user_id> user;                        ///< whose wallet it is about, once that is known
  bool credentials_refused = false;                   ///< of a 401: there were some
  std::optional<auth::scope> missing;                 ///< of a 403 insufficient_scope
};

/// How many operations of each class a request asks for at once.
using operation_counts = std::array<std::int64_t, limit::route_class_count>;

/// Checks requests. Refusals: unauthenticated, forbidden, insufficient_scope, rate_limited, and validation_failed
/// for more operations than a limit ever allows at once. A request takes what it needs from all of its limits, or, when
/// one refuses it, nothing from any.
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

  /// Whether it may do this to the user of the path now. When the user's limit refuses, what admit() has taken is given
  /// back: else one player beyond their limit would use up the quota of the key that all players share.
  result<void> enter(admission& a, user_id user);
  /// As above, to the user that the body names: gives its id.
  result<user_id> enter(admission& a, claimed_user_id user);

  /// For the operations of a batch, which admit() has not counted: whether the credentials have this scope, and whether
  /// so many may be done to this user now.
  static result<void> need(admission& a, auth::scope needed);
  result<user_id> enter(admission& a, const http::request& r, const operation_counts& wanted, claimed_user_id user);

  /// Whether this sender may touch the user at all: its id, and nothing is counted.
  static result<user_id> admits(const auth::principal& who, claimed_user_id user) {
    const user_id id{user.value_};
    return who.may_touch(id) ? result<user_id>{id} : std::unexpected(detail::another_user());
  }

  /// The headers that tell a client where it stands.
  void describe(const admission& a, http::response& answer) const;

 private:
  result<void> verify(admission& a, const http::request& r, const auth::unverified_token& token);
  static result<void> accept(admission& a, const auth::checked& found);
  [[nodiscard]] std::vector<demand> demands(const admission& a, const http::request& r, const operation_counts& wanted,
                                            user_id user) const;
  [[nodiscard]] result<void> check_sizes(const std::vector<demand>& all) const;
  result<void> take(admission& a, const demand& wanted);
  result<void> count(admission& a, const demand& wanted);
  result<void> count_sender(admission& a, limit::route_class what, const http::request& r);
  result<void> count_attempt(admission& a, const http::request& r);
  void forgive_attempt(const http::request& r);

  auth::authenticator& credentials_;
  limit::limiter& limits_;
  service::keys& keys_;
  std::array<std::string, limit::route_class_count> policy_headers_;
};

inline gate::gate(auth::authenticator& credentials, limit::limiter& limits, service::keys& keys)
    : credentials_{credentials}, limits_{limits}, keys_{keys} {
  for (std::size_t i = 0; i < limit::route_class_count; ++i) {
    policy_headers_[i] = detail::policy_header(limits, static_cast<limit::route_class>(i));
  }
}

inline std::variant<result<void>, auth::unknown_key> gate::identify(admission& a, const http::request& r) {
  if (!credentials_.required()) {
    return result<void>{};
  }
  const auth::checked found =
      credentials_.check(r.header("Authorization"), r.count("Authorization"), auth::key_ring::clock::now());
  if (const auto* const unknown = std::get_if<auth::unknown_key>(&found)) {
    return *unknown;
  }
  if (const auto* const token = std::get_if<auth::unverified_token>(&found)) {
    return verify(a, r, *token);
  }
  if (detail::is_guess(found)) {
    if (auto counted = count_attempt(a, r); !counted) {
      return counted;
    }
  }
  return accept(a, found);
}

/// The limit is asked before the signature is checked, so that forged tokens cost the one who sends them.
inline result<void> gate::verify(admission& a, const http::request& r, const auth::unverified_token& token) {
  if (auto counted = count_attempt(a, r); !counted) {
    return counted;
  }
  const auth::checked found = credentials_.verify(token);
  if (!detail::is_guess(found)) {
    forgive_attempt(r);
  }
  return accept(a, found);
}

inline net::task<result<void>> gate::look_up(admission& a, const http::request& r, auth::unknown_key wanted,
                                             net::deadline until) {
  // Before the database is asked, so that guesses cost the guesser; who waits for another's look-up costs nothing.
  const bool begins = !keys_.looks_for(wanted.key.digest);
  if (begins) {
    if (auto counted = count_attempt(a, r); !counted) {
      co_return counted;
    }
  }
  std::optional<auth::key_record> known;
  try {
    known = co_await keys_.find(wanted.key.digest, until);
  } catch (...) {
    if (begins) {
      forgive_attempt(r);  // the key may be good
    }
    throw;
  }
  result<void> accepted = accept(a, credentials_.learn(wanted, known, auth::key_ring::clock::now()));
  if (begins && accepted) {
    forgive_attempt(r);
  }
  co_return accepted;
}

/// Takes over who it is, or why that is not known.
inline result<void> gate::accept(admission& a, const auth::checked& found) {
  if (const auto* const who = std::get_if<auth::principal>(&found)) {
    a.who = *who;
    return {};
  }
  const auto& why = std::get<auth::refusal>(found);
  a.credentials_refused = why.what != auth::refused_as::missing;
  return std::unexpected(error{errc::unauthenticated, std::string{why.detail}});
}

inline result<void> gate::admit(admission& a, const access& route, const http::request& r) {
  if (route.scope && !(route.other_scope && a.who.scopes.allows(*route.other_scope))) {
    if (auto allowed = need(a, *route.scope); !allowed) {
      return allowed;
    }
  }
  a.counted = route.counts_as;
  return count_sender(a, route.counts_as, r);
}

inline result<void> gate::enter(admission& a, user_id user) {
  a.user = user;
  if (!a.who.may_touch(user)) {
    return std::unexpected(detail::another_user());
  }
  return take(a, {{.what = a.counted, .by = limit::dimension::user, .of = detail::numbered(user.value)}});
}

inline result<user_id> gate::enter(admission& a, claimed_user_id user) {
  const user_id id{user.value_};
  if (auto allowed = enter(a, id); !allowed) {
    return std::unexpected(std::move(allowed).error());
  }
  return id;
}

inline result<user_id> gate::enter(admission& a, const http::request& r, const operation_counts& wanted,
                                   claimed_user_id user) {
  const result<user_id> id = admits(a.who, user);
  a.user = user_id{user.value_};
  if (!id) {
    return id;
  }
  const std::vector<demand> all = demands(a, r, wanted, *id);
  if (auto possible = check_sizes(all); !possible) {
    return std::unexpected(std::move(possible).error());
  }
  for (const demand& each : all) {
    if (auto taken = take(a, each); !taken) {
      return std::unexpected(std::move(taken).error());
    }
  }
  return id;
}

inline std::vector<demand> gate::demands(const admission& a, const http::request& r, const operation_counts& wanted,
                                         user_id user) const {
  std::vector<demand> all;
  const auto add = [&](limit::route_class what, limit::dimension by, const limit::subject& of) {
    if (limits_.rule(what, by).limits()) {
      all.push_back({{.what = what, .by = by, .of = of}, wanted[static_cast<std::size_t>(what)]});
    }
  };
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const auto what = static_cast<limit::route_class>(i);
    if (wanted[i] == 0 || !limits_.limits(what)) {
      continue;
    }
    add(what, limit::dimension::user, detail::numbered(user.value));
    if (a.who.key != 0) {
      add(what, limit::dimension::key, detail::numbered(a.who.key));
    }
    add(what, limit::dimension::address, limit::address_subject(r.peer));
  }
  return all;
}

/// A demand beyond a quota would be refused for ever, so it is no matter of waiting.
inline result<void> gate::check_sizes(const std::vector<demand>& all) const {
  error why{errc::validation_failed};
  for (const demand& each : all) {
    const auto [what, by, of] = each.from;
    const limit::policy& p = limits_.rule(what, by);
    if (each.count > p.quota) {
      why.fields.push_back({"#/operations",
                            "exceeds_limit",
                            fmt::format("must hold at most {0} operations that count as {1}: the limit {1}-{2} allows "
                                        "{0} at once and no more",
                                        p.quota, to_string(what), to_string(by)),
                            {{"maximum", p.quota}, {"actual", each.count}, {"window", p.window.count()}}});
    }
  }
  return why.fields.empty() ? result<void>{} : std::unexpected(std::move(why));
}

inline void gate::describe(const admission& a, http::response& answer) const {
  if (a.limits) {
    answer.add("RateLimit-Policy", policy_headers_[static_cast<std::size_t>(a.counted)]);
    answer.add("RateLimit", fmt::format("\"{}-{}\";r={};t={}", to_string(a.counted), to_string(a.nearest),
                                        a.limits->remaining, detail::seconds_up(a.limits->full_in)));
  }
  if (answer.status == 401) {
    answer.add("WWW-Authenticate",
               a.credentials_refused ? R"(Bearer realm="coffer", error="invalid_token")" : R"(Bearer realm="coffer")");
  } else if (a.missing) {
    answer.add("WWW-Authenticate", fmt::format(R"(Bearer realm="coffer", error="insufficient_scope", scope="{}")",
                                               auth::to_string(*a.missing)));
  }
}

inline result<void> gate::need(admission& a, auth::scope needed) {
  if (a.who.scopes.allows(needed)) {
    return {};
  }
  if (a.who.only) {
    return std::unexpected(error{errc::forbidden, "A player's token does not allow this."});
  }
  a.missing = needed;
  return std::unexpected(error{errc::insufficient_scope,
                               fmt::format("This needs the scope {}, which the key lacks.", auth::to_string(needed))});
}

/// Takes from one of the request's limits. A refusal gives back what was taken from the others.
inline result<void> gate::take(admission& a, const demand& wanted) {
  if (!limits_.rule(wanted.from.what, wanted.from.by).limits()) {
    return {};
  }
  result<void> counted = count(a, wanted);
  if (counted) {
    a.taken.push_back(wanted);
    return counted;
  }
  for (const demand& each : a.taken) {
    limits_.give_back(each.from, each.count);
  }
  a.taken.clear();
  return counted;
}

inline result<void> gate::count(admission& a, const demand& wanted) {
  const limit::bucket_id& bucket = wanted.from;
  if (!limits_.rule(bucket.what, bucket.by).limits()) {
    return {};
  }
  const limit::verdict v = limits_.take(bucket, limit::clock::now(), wanted.count);
  if (!a.limits || !v.allowed || v.remaining < a.limits->remaining) {
    a.limits = v;
    a.counted = bucket.what;
    a.nearest = bucket.by;
  }
  if (v.allowed) {
    return {};
  }
  detail::note_refusal(bucket.what, bucket.by);
  return std::unexpected(detail::too_often(bucket.what, bucket.by, v));
}

inline result<void> gate::count_sender(admission& a, limit::route_class what, const http::request& r) {
  if (!limits_.limits(what)) {
    return {};
  }
  if (a.who.key != 0) {
    if (auto taken = take(a, {{.what = what, .by = limit::dimension::key, .of = detail::numbered(a.who.key)}});
        !taken) {
      return taken;
    }
  }
  return limits_.rule(what, limit::dimension::address).limits()
             ? take(a, {{.what = what, .by = limit::dimension::address, .of = limit::address_subject(r.peer)}})
             : result<void>{};
}

/// A credential that is wrong, or that only the database can tell.
inline result<void> gate::count_attempt(admission& a, const http::request& r) {
  const limit::route_class before = a.counted;
  auto counted = count(a, {detail::attempts_of(r)});
  if (counted) {
    a.counted = before;
    a.limits.reset();
  }
  return counted;
}

inline void gate::forgive_attempt(const http::request& r) {
  if (limits_.rule(limit::route_class::credentials, limit::dimension::address).limits()) {
    limits_.give_back(detail::attempts_of(r));
  }
}

}  // namespace coffer::api

// In bodies it is read like an id.
template <>
struct coffer::json::detail::is_strong<coffer::api::claimed_user_id> : std::true_type {};
