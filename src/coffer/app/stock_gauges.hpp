// Shows operators how much of the scarcest products is left.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "coffer/app/rounds.hpp"
#include "coffer/base/log.hpp"
#include "coffer/base/metrics.hpp"
#include "coffer/pg/pool.hpp"
#include "coffer/service/database.hpp"
#include "coffer/store/products_store.hpp"

namespace coffer::app {

/// The job. Lives on one thread, with that thread's pool. Without the database the last known numbers stay.
class stock_gauges {
 public:
  /// Products that have a series of their own: those of which least is left.
  static constexpr std::int64_t most = 50;

  stock_gauges(const net::executor& ex, pg::pool& db, std::chrono::milliseconds every) : rounds_{ex, every}, db_{db} {}

  /// Reads until stop().
  net::task<> run() {
    return rounds_.run([this] { return read(); });
  }
  /// On the job's thread.
  void stop() { rounds_.stop(); }

 private:
  static constexpr std::string_view name = "coffer_product_stock";
  static constexpr std::string_view help = "Units left of the limited products on sale of which least is left";

  static metrics::labels label(product_id product) { return {{"product_id", std::to_string(product.value)}}; }

  net::task<> read() {
    const net::deadline until = net::deadline_in(std::chrono::seconds{2});
    const auto load = [until](pg::connection& db) { return store::list_scarce(db, most, until); };
    try {
      publish(co_await service::with_connection(db_, until, true, load));
    } catch (const pg::error& e) {
      log::debug("stocks could not be read", {{"message", e.what()}});
    }
  }

  void publish(const store::scarce_products& found) {
    static const metrics::gauge limited =
        metrics::make_gauge("coffer_limited_products", "Products on sale of which a stock is kept");
    limited.set(static_cast<double>(found.all));
    std::map<product_id, metrics::gauge> now;
    for (const auto& [product, left] : found.least) {
      const metrics::gauge series = metrics::make_gauge(name, help, label(product));
      series.set(static_cast<double>(left));
      now.emplace(product, series);
    }
    for (const auto& [product, series] : shown_) {
      if (!now.contains(product)) {
        metrics::remove_gauge(name, help, series);
      }
    }
    shown_ = std::move(now);
  }

  rounds rounds_;
  pg::pool& db_;
  std::map<product_id, metrics::gauge> shown_;
};

}  // namespace coffer::app
