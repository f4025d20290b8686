// Webhooks: who is told of events, and how a message is signed.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "coffer/base/hash.hpp"
#include "coffer/net/outgoing.hpp"
#include "coffer/service/once.hpp"
#include "coffer/store/webhooks_store.hpp"

namespace coffer::service {

/// A webhook with its secret as its owner is shown it: only where it was just made.
struct made_webhook {
  store::webhook_row row;
  std::string secret;
};

/// How long a receiver may take for its status (Standard Webhooks 1.0).
inline constexpr std::chrono::seconds webhook_patience{15};

/// The request that tells a receiver of `body`, signed by Standard Webhooks 1.0 with all secrets that are in force.
inline net::outgoing_request webhook_message(std::string url, std::string_view id, std::string body,
                                             const store::webhook_secrets& secrets,
                                             std::chrono::milliseconds patience) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now().time_since_epoch()).count();
  const std::string text = fmt::format("{}.{}.{}", id, seconds, body);
  const auto sign = [&text](std::string_view secret) {
    const sha256_digest digest = hmac_sha256(secret, text);
    return "v1," + to_base64({reinterpret_cast<const char*>(digest.data()), digest.size()});
  };
  std::string signatures = sign(secrets.now);
  if (secrets.former) {
    signatures += " " + sign(*secrets.former);
  }
  return {
      .url = std::move(url),
      .headers = {"Content-Type: application/json", "User-Agent: coffer", "Expect:", fmt::format("webhook-id: {}", id),
                  fmt::format("webhook-timestamp: {}", seconds), "webhook-signature: " + signatures},
      .body = std::move(body),
      .time = patience};
}

/// One instance per thread. Throws pg::error for infrastructure failures.
class webhooks {
 public:
  webhooks(pg::pool& db, net::outgoing& out, bool allow_private) : db_{db}, out_{out}, allow_private_{allow_private} {}

  /// Whether URLs may be of plain http and private hosts.
  [[nodiscard]] bool allows_private() const noexcept { return allow_private_; }

  /// Refusal: too_many_webhooks.
  net::task<written<made_webhook>> create(store::webhook_changes wanted, std::optional<keyed<made_webhook>> under,
                                          net::deadline until);
  net::task<std::vector<store::webhook_row>> list(net::deadline until);
  /// Refusal: webhook_not_found, as of the following.
  net::task<result<store::webhook_row>> find(std::int64_t id, net::deadline until);
  net::task<written<store::webhook_row>> change(std::int64_t id, store::webhook_changes changes,
                                                std::optional<keyed<store::webhook_row>> under, net::deadline until);
  net::task<written<store::webhook_row>> remove(std::int64_t id, std::optional<keyed<store::webhook_row>> under,
                                                net::deadline until);
  /// Another secret. The one before goes on signing for store::former_secret_lasts.
  net::task<written<made_webhook>> rotate(std::int64_t id, std::optional<keyed<made_webhook>> under,
                                          net::deadline until);
  /// Sends `body` now, whether or not the webhook is active, and says what became of it.
  net::task<result<net::outgoing_answer>> test(std::int64_t id, std::string_view message_id, std::string body,
                                               net::deadline until);
  /// Sends again what is behind the place, or of that time; what is dead, when neither is given.
  net::task<written<store::webhook_row>> replay(store::webhook_place wanted, bool dead,
                                                std::optional<keyed<store::webhook_row>> under, net::deadline until);
  net::task<std::vector<store::webhook_delivery>> deliveries(std::int64_t id, std::int64_t after,
                                                             std::optional<bool> dead, std::int64_t limit,
                                                             net::deadline until);

 private:
  pg::pool& db_;
  net::outgoing& out_;
  bool allow_private_;
};

namespace detail {

inline constexpr std::size_t webhook_secret_size = 32;

inline made_webhook with_secret(store::webhook_row row, std::string_view secret) {
  return {std::move(row), "whsec_" + to_base64(secret)};
}

inline net::task<result<made_webhook>> make_webhook(pg::connection& db, store::webhook_changes wanted,
                                                    net::deadline until) {
  const std::string secret = random_bytes(webhook_secret_size);
  result<store::webhook_row> row = co_await store::insert_webhook(db, std::move(wanted), secret, until);
  if (!row) {
    co_return std::unexpected(std::move(row).error());
  }
  co_return with_secret(*std::move(row), secret);
}

inline net::task<result<store::webhook_row>> remove_webhook(pg::connection& db, std::int64_t id, net::deadline until) {
  std::optional<store::webhook_row> row = co_await store::delete_webhook(db, id, until);
  if (!row) {
    co_return std::unexpected(error{errc::webhook_not_found});
  }
  co_return *std::move(row);
}

inline net::task<result<made_webhook>> rotate_webhook(pg::connection& db, std::int64_t id, net::deadline until) {
  const std::string secret = random_bytes(webhook_secret_size);
  std::optional<store::webhook_row> row = co_await store::rotate_secret(db, id, secret, until);
  if (!row) {
    co_return std::unexpected(error{errc::webhook_not_found});
  }
  co_return with_secret(*std::move(row), secret);
}

inline net::task<result<store::webhook_row>> find_webhook(pg::connection& db, std::int64_t id, net::deadline until) {
  auto found = co_await store::list_webhooks(db, id, until);
  if (found.empty()) {
    co_return std::unexpected(error{errc::webhook_not_found});
  }
  co_return std::move(found.front().first);
}

inline net::task<result<store::webhook_row>> replay_webhook(pg::connection& db, store::webhook_place wanted, bool dead,
                                                            net::deadline until) {
  const std::int64_t id = wanted.webhook;
  if (dead) {
    co_await store::revive_dead(db, id, until);
  } else {
    if (wanted.from) {
      wanted.place = co_await store::find_place_at(db, *wanted.from, until);
    }
    const result<void> begun = co_await store::begin_replay(db, std::move(wanted), until);
    if (!begun) {
      co_return std::unexpected(begun.error());
    }
  }
  co_return co_await find_webhook(db, id, until);
}

}  // namespace detail

inline net::task<written<made_webhook>> webhooks::create(store::webhook_changes wanted,
                                                         std::optional<keyed<made_webhook>> under,
                                                         net::deadline until) {
  const auto work = [wanted, until](pg::connection& db) { return detail::make_webhook(db, wanted, until); };
  co_return co_await write_once(db_, std::move(under), until, work);
}

inline net::task<std::vector<store::webhook_row>> webhooks::list(net::deadline until) {
  const auto work = [until](pg::connection& db) { return store::list_webhooks(db, std::nullopt, until); };
  std::vector<store::webhook_row> rows;
  for (auto& [row, secrets] : co_await with_connection(db_, until, true, work)) {
    rows.push_back(std::move(row));
  }
  co_return rows;
}

inline net::task<result<store::webhook_row>> webhooks::find(std::int64_t id, net::deadline until) {
  const auto work = [id, until](pg::connection& db) { return detail::find_webhook(db, id, until); };
  co_return co_await with_connection(db_, until, true, work);
}

inline net::task<written<store::webhook_row>> webhooks::change(std::int64_t id, store::webhook_changes changes,
                                                               std::optional<keyed<store::webhook_row>> under,
                                                               net::deadline until) {
  const auto work = [id, changes, until](pg::connection& db) { return store::change_webhook(db, id, changes, until); };
  co_return co_await write_once(db_, std::move(under), until, work);
}

inline net::task<written<store::webhook_row>> webhooks::remove(std::int64_t id,
                                                               std::optional<keyed<store::webhook_row>> under,
                                                               net::deadline until) {
  const auto work = [id, until](pg::connection& db) { return detail::remove_webhook(db, id, until); };
  co_return co_await write_once(db_, std::move(under), until, work);
}

inline net::task<written<made_webhook>> webhooks::rotate(std::int64_t id, std::optional<keyed<made_webhook>> under,
                                                         net::deadline until) {
  const auto work = [id, until](pg::connection& db) { return detail::rotate_webhook(db, id, until); };
  co_return co_await write_once(db_, std::move(under), until, work);
}

inline net::task<result<net::outgoing_answer>> webhooks::test(std::int64_t id, std::string_view message_id,
                                                              std::string body, net::deadline until) {
  const auto work = [id, until](pg::connection& db) { return store::list_webhooks(db, id, until); };
  const auto found = co_await with_connection(db_, until, true, work);
  if (found.empty()) {
    co_return std::unexpected(error{errc::webhook_not_found});
  }
  // Some is left for the answer of this request itself.
  constexpr std::chrono::milliseconds own_part{200};
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now()) - own_part;
  const std::chrono::milliseconds patience =
      std::clamp<std::chrono::milliseconds>(left, std::chrono::milliseconds{1}, webhook_patience);
  co_return co_await out_.post(
      webhook_message(found.front().first.url, message_id, std::move(body), found.front().second, patience));
}

inline net::task<written<store::webhook_row>> webhooks::replay(store::webhook_place wanted, bool dead,
                                                               std::optional<keyed<store::webhook_row>> under,
                                                               net::deadline until) {
  const auto work = [wanted, dead, until](pg::connection& db) {
    return detail::replay_webhook(db, wanted, dead, until);
  };
  co_return co_await write_once(db_, std::move(under), until, work);
}

inline net::task<std::vector<store::webhook_delivery>> webhooks::deliveries(std::int64_t id, std::int64_t after,
                                                                            std::optional<bool> dead,
                                                                            std::int64_t limit, net::deadline until) {
  const auto work = [id, after, dead, limit, until](pg::connection& db) {
    return store::list_deliveries(db, id, after, dead, limit, until);
  };
  co_return co_await with_connection(db_, until, true, work);
}

}  // namespace coffer::service
