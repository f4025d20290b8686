#include "coffer/api/gate.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "coffer/base/metrics.hpp"
#include "coffer/limit/address.hpp"

namespace coffer::api {

namespace {

using limit::dimension;
using limit::route_class;

constexpr std::array dimensions = {dimension::user, dimension::key, dimension::address};

/// Up, so that a client that waits so long does not come too early.
std::int64_t seconds_up(std::chrono::nanoseconds time) { return std::chrono::ceil<std::chrono::seconds>(time).count(); }

limit::subject numbered(std::int64_t id) { return {.high = 0, .low = static_cast<std::uint64_t>(id)}; }

/// `"purchase-user";q=10;w=1, ...` (draft-ietf-httpapi-ratelimit-headers-10 section 3).
std::string policy_header(const limit::limiter& limits, route_class what) {
  std::string text;
  for (const dimension by : dimensions) {
    if (const limit::policy& p = limits.rule(what, by); p.limits()) {
      text += fmt::format("{}\"{}-{}\";q={};w={}", text.empty() ? "" : ", ", to_string(what), to_string(by), p.quota,
                          p.window.count());
    }
  }
  return text;
}

void note_refusal(route_class what, dimension by) {
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

std::string_view owner_of(dimension by) {
  switch (by) {
    case dimension::user:
      return "user";
    case dimension::key:
      return "server key";
    case dimension::address:
      break;
  }
  return "address";
}

error too_often(route_class what, dimension by, const limit::verdict& v) {
  const std::string_view subject = what == route_class::credentials ? "Attempts with wrong credentials" : "Requests";
  error why{errc::rate_limited,
            fmt::format("{} of this kind come too often from this {}. Nothing was done.", subject, owner_of(by))};
  return std::move(why).with("retry_after", std::max<std::int64_t>(seconds_up(v.retry_in), 1));
}

/// Where attempts with wrong credentials are counted.
limit::bucket_id attempts_of(const http::request& r) {
  return {.what = route_class::credentials, .by = dimension::address, .of = limit::address_subject(r.peer)};
}

bool is_guess(const auth::checked& found) {
  const auto* const refused = std::get_if<auth::refusal>(&found);
  return refused != nullptr && refused->what == auth::refused_as::wrong;
}

error another_user() { return {errc::forbidden, "This token belongs to another user."}; }

}  // namespace

gate::gate(auth::authenticator& credentials, limit::limiter& limits, service::keys& keys)
    : credentials_{credentials}, limits_{limits}, keys_{keys} {
  for (std::size_t i = 0; i < limit::route_class_count; ++i) {
    policy_headers_[i] = policy_header(limits, static_cast<route_class>(i));
  }
}

std::variant<result<void>, auth::unknown_key> gate::identify(admission& a, const http::request& r) {
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
  if (is_guess(found)) {
    if (auto counted = count_attempt(a, r); !counted) {
      return counted;
    }
  }
  return accept(a, found);
}

/// The limit is asked before the signature is checked, so that forged tokens cost the one who sends them.
result<void> gate::verify(admission& a, const http::request& r, const auth::unverified_token& token) {
  if (auto counted = count_attempt(a, r); !counted) {
    return counted;
  }
  const auth::checked found = credentials_.verify(token);
  if (!is_guess(found)) {
    forgive_attempt(r);
  }
  return accept(a, found);
}

net::task<result<void>> gate::look_up(admission& a, const http::request& r, auth::unknown_key wanted,
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
result<void> gate::accept(admission& a, const auth::checked& found) {
  if (const auto* const who = std::get_if<auth::principal>(&found)) {
    a.who = *who;
    return {};
  }
  const auto& why = std::get<auth::refusal>(found);
  a.credentials_refused = why.what != auth::refused_as::missing;
  return std::unexpected(error{errc::unauthenticated, std::string{why.detail}});
}

result<void> gate::admit(admission& a, const access& route, const http::request& r) {
  if (route.scope && !(route.other_scope && a.who.scopes.allows(*route.other_scope))) {
    if (auto allowed = need(a, *route.scope); !allowed) {
      return allowed;
    }
  }
  a.counted = route.counts_as;
  return count_sender(a, route.counts_as, r);
}

result<void> gate::enter(admission& a, user_id user) {
  a.user = user;
  if (!a.who.may_touch(user)) {
    return std::unexpected(another_user());
  }
  return count(a, {.what = a.counted, .by = dimension::user, .of = numbered(user.value)});
}

result<void> gate::enter(admission& a, const http::request& r, const operation_counts& wanted, user_id user) {
  a.user = user;
  if (!a.who.may_touch(user)) {
    return std::unexpected(another_user());
  }
  const std::vector<demand> all = demands(a, r, wanted, user);
  if (auto possible = check_sizes(all); !possible) {
    return possible;
  }
  for (auto each = all.begin(); each != all.end(); ++each) {
    if (auto counted = count(a, each->from, each->count); !counted) {
      std::for_each(all.begin(), each, [this](const demand& taken) { limits_.give_back(taken.from, taken.count); });
      return counted;
    }
  }
  return {};
}

std::vector<gate::demand> gate::demands(const admission& a, const http::request& r, const operation_counts& wanted,
                                        user_id user) const {
  std::vector<demand> all;
  const auto add = [&](route_class what, dimension by, const limit::subject& of) {
    if (limits_.rule(what, by).limits()) {
      all.push_back({{.what = what, .by = by, .of = of}, wanted[static_cast<std::size_t>(what)]});
    }
  };
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const auto what = static_cast<route_class>(i);
    if (wanted[i] == 0 || !limits_.limits(what)) {
      continue;
    }
    add(what, dimension::user, numbered(user.value));
    if (a.who.key != 0) {
      add(what, dimension::key, numbered(a.who.key));
    }
    add(what, dimension::address, limit::address_subject(r.peer));
  }
  return all;
}

/// A demand beyond a quota would be refused for ever, so it is no matter of waiting.
result<void> gate::check_sizes(const std::vector<demand>& all) const {
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

void gate::describe(const admission& a, http::response& answer) const {
  if (a.limits) {
    answer.add("RateLimit-Policy", policy_headers_[static_cast<std::size_t>(a.counted)]);
    answer.add("RateLimit", fmt::format("\"{}-{}\";r={};t={}", to_string(a.counted), to_string(a.nearest),
                                        a.limits->remaining, seconds_up(a.limits->full_in)));
  }
  if (answer.status == 429 && a.limits) {
    answer.add("Retry-After", fmt::format("{}", std::max<std::int64_t>(seconds_up(a.limits->retry_in), 1)));
  } else if (answer.status == 401) {
    answer.add("WWW-Authenticate",
               a.credentials_refused ? R"(Bearer realm="coffer", error="invalid_token")" : R"(Bearer realm="coffer")");
  } else if (a.missing) {
    answer.add("WWW-Authenticate", fmt::format(R"(Bearer realm="coffer", error="insufficient_scope", scope="{}")",
                                               auth::to_string(*a.missing)));
  }
}

result<void> gate::need(admission& a, auth::scope needed) {
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

result<void> gate::count(admission& a, const limit::bucket_id& bucket, std::int64_t many) {
  if (!limits_.rule(bucket.what, bucket.by).limits()) {
    return {};
  }
  const limit::verdict v = limits_.take(bucket, limit::clock::now(), many);
  if (!a.limits || !v.allowed || v.remaining < a.limits->remaining) {
    a.limits = v;
    a.counted = bucket.what;
    a.nearest = bucket.by;
  }
  if (v.allowed) {
    return {};
  }
  note_refusal(bucket.what, bucket.by);
  return std::unexpected(too_often(bucket.what, bucket.by, v));
}

result<void> gate::count_sender(admission& a, route_class what, const http::request& r) {
  if (!limits_.limits(what)) {
    return {};
  }
  if (a.who.key != 0) {
    if (auto counted = count(a, {.what = what, .by = dimension::key, .of = numbered(a.who.key)}); !counted) {
      return counted;
    }
  }
  return limits_.rule(what, dimension::address).limits()
             ? count(a, {.what = what, .by = dimension::address, .of = limit::address_subject(r.peer)})
             : result<void>{};
}

/// A credential that is wrong, or that only the database can tell.
result<void> gate::count_attempt(admission& a, const http::request& r) {
  const route_class before = a.counted;
  auto counted = count(a, attempts_of(r));
  if (counted) {
    a.counted = before;
    a.limits.reset();
  }
  return counted;
}

void gate::forgive_attempt(const http::request& r) {
  if (limits_.rule(route_class::credentials, dimension::address).limits()) {
    limits_.give_back(attempts_of(r));
  }
}

}  // namespace coffer::api
