#include "coffer/api/gate.hpp"

#include "support/catch.hpp"

namespace api_gate_test {

using namespace coffer;

namespace {

/// A gate with these limits on purchases, and who comes to it.
struct entrance {
  explicit entrance(const char* purchases) : limits{options_of(purchases)}, gate{credentials, limits, keys} {
    request.peer = "192.0.2.1";
  }

  static limit::limiter_options options_of(const char* purchases) {
    limit::limiter_options how;
    how.by_class[static_cast<std::size_t>(limit::route_class::purchase)] = limit::parse_policies(purchases).value();
    return how;
  }

  /// A purchase for this user with the server key 7; how near to its limits it was.
  struct visit {
    bool allowed;
    api::admission by;
  };
  visit buy(std::int64_t user) {
    const auto route =
        api::access::needs(auth::scope::purchases_write, api::subject_place::body, limit::route_class::purchase);
    visit v{.allowed = false, .by = {}};
    v.by.who.key = 7;
    v.allowed = gate.admit(v.by, route, request) && gate.enter(v.by, api::claimed_user_id{user});
    return v;
  }

  asio::io_context context{1};
  pg::pool db{context.get_executor(), "test", pg::options{"postgresql://127.0.0.1:1/none"}};
  service::keys keys{db, [] {}};
  auth::authenticator credentials{auth::authenticator_options{}};
  limit::limiter limits;
  http::request request;
  api::gate gate;
};

}  // namespace

TEST_CASE("a request that the user's limit refuses takes nothing from the limits of the key and the address") {
  entrance e{"user:2/1d,key:10/1d,address:20/1d"};
  for (int i = 0; i < 50; ++i) {
    const auto visit = e.buy(1);
    CHECK(visit.allowed == (i < 2));
    CHECK(visit.by.nearest == limit::dimension::user);
    CHECK(visit.by.limits->remaining == (i == 0 ? 1 : 0));
  }
  // 2 of the key's 10 are taken: 8 others may come, and the key's limit refuses the ninth.
  for (std::int64_t user = 2; user <= 9; ++user) {
    CHECK(e.buy(user).allowed);
  }
  const auto refused = e.buy(10);
  CHECK(!refused.allowed);
  CHECK(refused.by.nearest == limit::dimension::key);
  CHECK(refused.by.limits->remaining == 0);
}

TEST_CASE("a request that the address's limit refuses takes nothing from the key's") {
  entrance e{"key:5/1d,address:2/1d"};
  for (int i = 0; i < 10; ++i) {
    CHECK(e.buy(1).allowed == (i < 2));
  }
  e.request.peer = "192.0.2.2";
  CHECK(e.buy(1).allowed);
  CHECK(e.buy(1).allowed);
  e.request.peer = "192.0.2.3";
  CHECK(e.buy(1).allowed);
  CHECK(!e.buy(1).allowed);
}

}  // namespace api_gate_test
