// What is asked of the lanes in one run and what goes wrong meanwhile: made from a seed, and taken apart when it fails.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "coffer/domain/command.hpp"
#include "connection.hpp"

namespace coffer::simulation {

using std::chrono::microseconds;
using std::chrono::milliseconds;

/// A client's request: one command or a group, asked again under the same keys until the outcome is known.
struct wish {
  milliseconds at{};
  int process = 0;
  std::vector<domain::command> commands;
  milliseconds patience{};  ///< until the deadline
  int tries = 1;
  std::int64_t refunds = -1;  ///< of a refund: which of the user's rows; the command is made when it is asked
};

/// Who disturbs, and how. Places are those of the world's lists, taken modulo their length.
struct disturbance {
  enum class kind : std::uint8_t {
    mishap,         ///< with a message of a lane
    slow,           ///< a lane's connection is
    cancel,         ///< what a lane's session does
    terminate,      ///< a lane's session
    hold,           ///< an operator holds rows
    write,          ///< an operator gives credits, in SQL, as the lanes do
    change_terms,   ///< of a product: another price, or it is withdrawn
    change_supply,  ///< of a product, which may make it limited
    fail_over,
    stall_standby,
    restart,  ///< a process ends what it has begun, and another takes over
  };
  milliseconds at{};
  kind what = kind::mishap;
  std::int64_t where = 0;  ///< lane, user, or product
  milliseconds length{};
  std::int64_t number = 0;
  fault wrong;
};

/// One run.
struct scenario {
  std::uint64_t seed = 0;
  int processes = 1;
  int lanes = 1;  ///< of each process
  std::size_t max_batch = 256;
  std::size_t queue_limit = 1024;
  database_options db;
  std::vector<std::int64_t> balances;  ///< of the users 1, 2, ...
  std::vector<domain::product_terms> products;
  std::vector<std::int64_t> supplies;  ///< of the limited ones
  std::vector<wish> wishes;
  std::vector<disturbance> disturbances;
  mutant wrong = mutant::none;
  bool probes = true;  ///< at the end, whether all works again
};

/// As it is spelled in traces.
inline std::string_view name_of(disturbance::kind what) {
  constexpr std::array names = {"mishap",       "slow",          "cancel",    "terminate",     "hold",   "write",
                                "change_terms", "change_supply", "fail_over", "stall_standby", "restart"};
  return names.at(static_cast<std::size_t>(what));
}

namespace detail {

inline constexpr std::array short_states = {
    pg::sqlstate::serialization_failure,
    pg::sqlstate::deadlock_detected,
    pg::sqlstate::query_canceled,
    pg::sqlstate::lock_not_available,
    pg::sqlstate::disk_full,
    pg::sqlstate::out_of_memory,
    pg::sqlstate::numeric_value_out_of_range,
    pg::sqlstate::read_only_transaction,
    pg::sqlstate::statement_completion_unknown,
};

inline domain::command make_command(chance& random, const scenario& in, std::int64_t user) {
  using domain::transaction_kind;
  domain::command c;
  c.user = user_id{user};
  const auto& terms = in.products[static_cast<std::size_t>(random.below(std::ssize(in.products)))];
  const bool single = terms.type == domain::product_type::permanent;
  const std::int64_t dice = random.below(20);
  c.product = terms.id;
  c.quantity = single ? 1 : random.between(1, 3);
  if (dice < 9) {
    c.kind = transaction_kind::purchase;
    if (random.one_in(6)) {
      c.expected_price = terms.price;
    }
    if (!single && random.one_in(60)) {
      c.quantity = poisoned_quantity;
    }
  } else if (dice < 12) {
    c.kind = transaction_kind::use;
  } else if (dice < 15) {
    c.kind = transaction_kind::deposit;
    c.product.reset();
    c.quantity = 0;
    c.amount = domain::credits{random.between(1, 200)};
  } else if (dice < 17) {
    c.kind = transaction_kind::grant;
    c.quantity = random.one_in(2) ? c.quantity : -c.quantity;
    c.note = random.one_in(2) ? "because" : "";
  } else {
    c.kind = transaction_kind::grant;
    c.product.reset();
    c.quantity = 0;
    c.amount = domain::credits{random.one_in(2) ? random.between(1, 100) : -random.between(1, 100)};
  }
  if (random.one_in(50)) {
    c.user = user_id{999};  // nobody
  }
  if (random.one_in(3)) {
    c.by = random.one_in(2) ? domain::actor::player() : domain::actor::server_key(7);
  }
  return c;
}

inline wish make_wish(chance& random, const scenario& in, milliseconds window, int number) {
  wish w;
  w.at = random.within(milliseconds{0}, window);
  w.process = static_cast<int>(random.below(in.processes));
  w.patience = random.one_in(4) ? random.within(milliseconds{20}, milliseconds{800})
                                : random.within(milliseconds{2000}, milliseconds{8000});
  w.tries = random.one_in(3) ? 1 : 4;
  const std::int64_t user = random.between(1, std::ssize(in.balances));
  const std::int64_t size = random.one_in(5) ? random.between(2, 4) : 1;
  const bool keyed = w.tries > 1 || random.one_in(2);
  for (std::int64_t i = 0; i < size; ++i) {
    domain::command& c = w.commands.emplace_back(make_command(random, in, user));
    c.user = w.commands.front().user;
    if (keyed) {
      // Few keys: some are used by two requests at once.
      const std::int64_t key = random.one_in(4) ? random.below(3) : 100 + number;
      c.idempotency_key = fmt::format("k{}.{}", key, i);
      c.print[0] = static_cast<std::byte>(c.kind);
      c.print[1] = static_cast<std::byte>(c.quantity);
      c.print[2] = static_cast<std::byte>(c.product.value_or(product_id{}).value);
      c.print[3] = static_cast<std::byte>(c.amount.value);
    }
  }
  w.commands.front().together = w.commands.size();
  if (size == 1 && random.one_in(6)) {
    w.refunds = random.below(8);
    domain::command& c = w.commands.front();
    c.kind = domain::transaction_kind::refund;
    c.note = "refund";
    c.quantity = 0;
    c.force = random.one_in(3);
    c.up_to = random.one_in(2);
    c.print[0] = std::byte{4};
    c.print[4] = static_cast<std::byte>(w.refunds);
  }
  return w;
}

inline disturbance make_disturbance(chance& random, const scenario& in, milliseconds window) {
  using kind = disturbance::kind;
  disturbance d;
  d.at = random.within(milliseconds{0}, window);
  d.where = random.below(1000);
  d.length = random.one_in(3) ? random.within(milliseconds{500}, milliseconds{6000})
                              : random.within(milliseconds{1}, milliseconds{200});
  d.number = random.below(1000);
  const std::int64_t dice = random.below(21);
  d.what = dice < 10   ? kind::mishap
           : dice < 11 ? kind::slow
           : dice < 12 ? kind::cancel
           : dice < 13 ? kind::terminate
           : dice < 14 ? kind::hold
           : dice < 16 ? kind::write
           : dice < 17 ? kind::change_terms
           : dice < 18 ? kind::change_supply
           : dice < 19 ? kind::stall_standby
           : dice < 20 ? kind::restart
                       : kind::fail_over;
  if (in.db.synchronous && random.one_in(8)) {
    d.what = kind::fail_over;
  }
  d.wrong.what = static_cast<mishap>(random.between(1, static_cast<std::int64_t>(mishap::refused)));
  d.wrong.at_commit = !random.one_in(3);
  d.wrong.state = short_states.at(static_cast<std::size_t>(random.below(std::ssize(short_states))));
  d.wrong.statement = static_cast<std::size_t>(random.below(12));
  d.wrong.silent = random.one_in(3);
  return d;
}

}  // namespace detail

namespace detail {

/// A commit that stops waiting for its standby, a client that asks again elsewhere, and a failover, close to each
/// other: too seldom by chance alone.
inline void add_doubtful_commit(chance& random, scenario& s) {
  wish first = make_wish(random, s, milliseconds{30}, 900);
  first.tries = 1;
  first.refunds = -1;
  first.commands.resize(1);
  first.commands.front().together = 1;
  first.commands.front().idempotency_key = "doubtful";
  wish again = first;
  again.at += random.within(milliseconds{20}, milliseconds{90});
  again.process = static_cast<int>(random.below(s.processes));
  s.db.replication_time = random.within(microseconds{50'000}, microseconds{200'000});
  disturbance stops;
  stops.at = std::max(milliseconds{0}, first.at - milliseconds{1});
  stops.where = random.below(1000);
  stops.wrong = {.what = mishap::gives_up, .at_commit = true, .silent = random.one_in(2)};
  disturbance over;
  over.at = again.at + random.within(milliseconds{2}, milliseconds{60});
  over.what = disturbance::kind::fail_over;
  over.number = random.below(1000);
  over.length = milliseconds{5};
  s.wishes.push_back(std::move(first));
  s.wishes.push_back(std::move(again));
  s.disturbances.push_back(stops);
  s.disturbances.push_back(over);
}

/// A deposit, its refund, and a failover that loses the deposit while the refund is under way.
inline void add_lost_deposit(chance& random, scenario& s) {
  wish deposit = make_wish(random, s, milliseconds{30}, 901);
  deposit.refunds = -1;
  deposit.commands.resize(1);
  domain::command& c = deposit.commands.front();
  c.kind = domain::transaction_kind::deposit;
  c.product.reset();
  c.expected_price.reset();
  c.amount = domain::credits{random.between(1, 200)};
  c.quantity = 0;
  c.note.clear();
  c.idempotency_key.clear();
  c.together = 1;
  deposit.tries = 1;
  wish refund = deposit;
  refund.at += random.within(milliseconds{5}, milliseconds{40});
  refund.refunds = random.below(4);
  refund.tries = 4;
  refund.commands.front().kind = domain::transaction_kind::refund;
  refund.commands.front().amount = {};
  refund.commands.front().note = "refund";
  refund.commands.front().idempotency_key = "refund";
  s.db.replication_time = random.within(microseconds{50'000}, microseconds{200'000});
  disturbance over;
  over.at = refund.at + random.within(milliseconds{0}, milliseconds{4});
  over.what = disturbance::kind::fail_over;
  over.length = milliseconds{5};
  s.wishes.push_back(std::move(deposit));
  s.wishes.push_back(std::move(refund));
  s.disturbances.push_back(over);
}

}  // namespace detail

/// The scenario of a seed.
inline scenario make_scenario(std::uint64_t seed) {
  chance random{seed};
  scenario s;
  s.seed = seed;
  s.processes = static_cast<int>(random.between(1, 2));
  s.lanes = static_cast<int>(random.between(1, 2));
  s.max_batch = random.one_in(3) ? 4 : 256;
  s.queue_limit = random.one_in(6) ? 6 : 1024;
  s.db.synchronous = random.one_in(2);
  s.db.replication_time = random.within(microseconds{200}, microseconds{random.one_in(2) ? 3000 : 200'000});
  s.db.deadlock_timeout = milliseconds{random.one_in(2) ? 1000 : 100};
  s.db.lock_timeout = milliseconds{random.one_in(2) ? 1000 : 150};
  s.db.statement_timeout = milliseconds{random.one_in(4) ? 300 : 2000};
  s.db.idle_timeout = milliseconds{random.one_in(2) ? 3000 : 500};
  const std::int64_t users = random.between(1, 5);
  for (std::int64_t i = 0; i < users; ++i) {
    s.balances.push_back(random.between(1, 500));
  }
  const std::int64_t products = random.between(2, 4);
  for (std::int64_t i = 1; i <= products; ++i) {
    const bool is_permanent = random.one_in(3);
    const bool is_limited = random.one_in(3);
    s.products.push_back({.id = product_id{i},
                          .price = domain::credits{random.between(0, 40)},
                          .type = is_permanent ? domain::product_type::permanent : domain::product_type::consumable,
                          .is_limited = is_limited,
                          .per_user_limit = random.one_in(4) ? std::optional{random.between(1, 5)} : std::nullopt});
    s.supplies.push_back(random.between(1, 12));
  }
  const milliseconds window{random.one_in(3) ? 2000 : random.between(2, 60)};
  const std::int64_t wishes = random.between(4, 40);
  for (int i = 0; i < wishes; ++i) {
    s.wishes.push_back(detail::make_wish(random, s, window, i));
    // A client that asks again, elsewhere, while the first request is under way.
    if (random.one_in(6)) {
      wish again = s.wishes.back();
      again.at += random.within(milliseconds{0}, milliseconds{400});
      again.process = static_cast<int>(random.below(s.processes));
      if (!again.commands.front().idempotency_key.empty()) {
        s.wishes.push_back(std::move(again));
      }
    }
  }
  const std::int64_t disturbances = random.one_in(8) ? 0 : random.between(1, 6);
  for (std::int64_t i = 0; i < disturbances; ++i) {
    s.disturbances.push_back(detail::make_disturbance(random, s, window));
  }
  if (s.db.synchronous && random.one_in(6)) {
    detail::add_doubtful_commit(random, s);
  }
  if (!s.db.synchronous && random.one_in(6)) {
    detail::add_lost_deposit(random, s);
  }
  return s;
}

}  // namespace coffer::simulation
