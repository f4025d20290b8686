// The journal of a shop that has been open for a month, as text for COPY ... FROM STDIN (PostgreSQL manual, COPY, "Text
// Format"), a row at a time and so in no memory.
//
// usage: grown_journal USERS ROWS LINES PRODUCTS PRICE FUNDS
//
// Every user has ROWS rows: a deposit of FUNDS, then purchases of one unit of LINES products in turn. The rows come in
// the order of time, so that a user's rows lie far apart, as they do in a shop. Columns: user_id, version, kind,
// status, product_id, quantity, amount, balance_after, item_quantity_after, request_id, created_at. sql/growth.sql
// builds the rest of the books on them.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iterator>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "coffer/base/clock.hpp"
#include "coffer/domain/transaction.hpp"

namespace {

using namespace coffer;

constexpr std::chrono::days open_for{30};
constexpr std::size_t chunk = 1 << 20;  // bytes between two writes

struct shop {
  std::int64_t users;
  std::int64_t rows;
  std::int64_t lines;
  std::int64_t products;
  std::int64_t price;
  std::int64_t funds;
};

class journal {
 public:
  explicit journal(const shop& s) : shop_{s} { text_.reserve(chunk + 512); }

  /// False when the reader has gone.
  bool write() {
    for (std::int64_t version = 1; version <= shop_.rows && good_; ++version) {
      for (std::int64_t user = 1; user <= shop_.users && good_; ++user) {
        append(user, version);
      }
    }
    flush();
    return good_ && std::fflush(stdout) == 0;
  }

 private:
  void append(std::int64_t user, std::int64_t version) {
    const std::int64_t nth = version - 2;  // purchase of the user, from 0
    const std::int64_t total = shop_.users * shop_.rows;
    const std::int64_t place = (version - 1) * shop_.users + user - 1;
    const auto span = std::chrono::duration_cast<std::chrono::microseconds>(open_for).count();
    const timestamp at = began_ + std::chrono::microseconds{span / total * place};
    const int completed = static_cast<int>(domain::transaction_status::completed);
    if (version == 1) {
      fmt::format_to(std::back_inserter(text_), "{}\t1\t{}\t{}\t\\N\t0\t{}\t{}\t\\N\tbench\t{}\n", user,
                     static_cast<int>(domain::transaction_kind::deposit), completed, shop_.funds, shop_.funds,
                     to_rfc3339(at));
    } else {
      fmt::format_to(std::back_inserter(text_), "{}\t{}\t{}\t{}\t{}\t1\t{}\t{}\t{}\tbench\t{}\n", user, version,
                     static_cast<int>(domain::transaction_kind::purchase), completed,
                     1 + (user + nth % shop_.lines) % shop_.products, shop_.price,
                     shop_.funds - (nth + 1) * shop_.price, nth / shop_.lines + 1, to_rfc3339(at));
    }
    if (text_.size() >= chunk) {
      flush();
    }
  }

  void flush() {
    good_ = good_ && std::fwrite(text_.data(), 1, text_.size(), stdout) == text_.size();
    text_.clear();
  }

  shop shop_;
  timestamp began_ = now() - open_for;
  std::string text_;
  bool good_ = true;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fputs("usage: grown_journal USERS ROWS LINES PRODUCTS PRICE FUNDS\n", stderr);
    return 2;
  }
  try {
    journal all{shop{.users = std::atoll(argv[1]),
                     .rows = std::atoll(argv[2]),
                     .lines = std::atoll(argv[3]),
                     .products = std::atoll(argv[4]),
                     .price = std::atoll(argv[5]),
                     .funds = std::atoll(argv[6])}};
    return all.write() ? 0 : 1;
  } catch (const std::exception& e) {
    fmt::print(stderr, "grown_journal: {}\n", e.what());
    return 2;
  }
}
