// Who may come in, and how often.
#include <algorithm>
#include <utility>

#include "coffer/app/settings_kinds.hpp"

namespace coffer::app::setting_kinds {

namespace {

using std::chrono::minutes;

constexpr const char* access = "Access";
constexpr const char* rates = "Rate limits";

bool accepts_name(std::string_view value) {
  return !value.empty() && value.size() <= 200 && std::ranges::all_of(value, [](char c) { return c > ' ' && c < 127; });
}

setting_spec algorithms(setting_spec spec) {
  using coffer::auth::algorithm;
  spec.shape = "LIST";
  spec.set = [](settings& s, std::string_view value) -> outcome {
    std::vector<algorithm> all;
    for (std::string_view left = value; !left.empty();) {
      const std::string_view name = left.substr(0, left.find(','));
      const auto one = coffer::auth::algorithm_from_string(name);
      if (!one) {
        return std::unexpected{std::string{"a list of HS256, ES256, EdDSA and RS256, separated by commas"}};
      }
      all.push_back(*one);
      left.remove_prefix(std::min(name.size() + 1, left.size()));
    }
    s.jwt_algorithms = std::move(all);
    return {};
  };
  spec.show = [](const settings& s) {
    std::string text;
    for (const algorithm each : s.jwt_algorithms) {
      text.append(text.empty() ? "" : ",").append(coffer::auth::to_string(each));
    }
    return text;
  };
  return spec;
}

/// Limits of one class of requests.
template <typename Member>
setting_spec limits(setting_spec spec, Member member) {
  spec.shape = "LIST";
  spec.set = [=](settings& s, std::string_view value) -> outcome {
    const auto parsed = limit::parse_policies(value);
    if (!parsed) {
      return std::unexpected{parsed.error()};
    }
    member(s) = *parsed;
    return {};
  };
  spec.show = [=](const settings& s) { return limit::to_string(member(s)); };
  return spec;
}

void add_rates(std::vector<setting_spec>& all) {
  all.push_back(
      limits(named("--limit-funds", "COFFER_LIMIT_FUNDS", rates,
                   "add-funds, grants and refunds: per user, key and address, such as user:10/1s,key:1000/1s"),
             COFFER_MEMBER(limit_funds)));
  all.push_back(limits(named("--limit-purchase", "COFFER_LIMIT_PURCHASE", rates, "purchases, likewise"),
                       COFFER_MEMBER(limit_purchase)));
  all.push_back(limits(named("--limit-use", "COFFER_LIMIT_USE", rates, "uses, likewise"), COFFER_MEMBER(limit_use)));
  all.push_back(limits(named("--limit-read", "COFFER_LIMIT_READ", rates, "reads of users, products and keys, likewise"),
                       COFFER_MEMBER(limit_read)));
  setting_spec credentials =
      limits(named("--limit-credentials", "COFFER_LIMIT_CREDENTIALS", rates,
                   "wrong or unknown credentials, per address; address:60/1m with --auth required"),
             COFFER_MEMBER(limit_credentials));
  const auto set = credentials.set;
  credentials.set = [set](settings& s, std::string_view value) -> outcome {
    settings tried;
    outcome stored = set(tried, value);
    const limit::policies& p = tried.limit_credentials;
    if (stored && (p.of(limit::dimension::user).limits() || p.of(limit::dimension::key).limits())) {
      stored = std::unexpected{std::string{"per address alone: whose the credentials are is not known"}};
    }
    return stored ? set(s, value) : stored;
  };
  all.push_back(std::move(credentials));
}

}  // namespace

void add_access(std::vector<setting_spec>& all) {
  all.push_back(on_off(named("--test-keys", "COFFER_TEST_KEYS", access, "whether cof_test_ keys are accepted"),
                       COFFER_MEMBER(test_keys)));
  all.push_back(duration(named("--key-refresh", "COFFER_KEY_REFRESH", access,
                               "how often keys are read anew: a revoked one may go on so long"),
                         COFFER_MEMBER(key_refresh), milliseconds{100}, minutes{1}));
  all.push_back(file(named("--jwt-keys", "COFFER_JWT_KEYS", access,
                           "the JSON Web Key Set that players' tokens are signed with, read again at SIGHUP; none: no "
                           "tokens"),
                     COFFER_MEMBER(jwt_keys)));
  all.push_back(text(named("--jwt-issuer", "COFFER_JWT_ISSUER", access, "the iss that tokens must have"),
                     COFFER_MEMBER(jwt_issuer), "TEXT", "1 to 200 visible ASCII characters", true, accepts_name));
  all.push_back(text(named("--jwt-audience", "COFFER_JWT_AUDIENCE", access, "the aud that tokens must have"),
                     COFFER_MEMBER(jwt_audience), "TEXT", "1 to 200 visible ASCII characters", true, accepts_name));
  all.push_back(
      algorithms(named("--jwt-algorithms", "COFFER_JWT_ALGORITHMS", access, "what tokens may be signed with")));
  all.push_back(duration(named("--jwt-leeway", "COFFER_JWT_LEEWAY", access, "for clocks that differ"),
                         COFFER_MEMBER(jwt_leeway), milliseconds{0}, minutes{5}));
  add_rates(all);
}

}  // namespace coffer::app::setting_kinds
