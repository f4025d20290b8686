#include "coffer/domain/batch_state.hpp"

#include <algorithm>
#include <tuple>

namespace coffer::domain {

namespace {

auto order(const wallet& w) { return w.user; }
auto order(const product_terms& p) { return p.id; }
auto order(const product_stock& s) { return s.product; }
auto order(const holding& h) { return std::tuple{h.user, h.product}; }
auto order(const refund_count& r) { return std::tuple{r.user, r.purchase}; }
auto order(const transaction& t) { return place_of(t); }

template <typename Row, typename Key>
auto find_sorted(std::vector<Row>& rows, const Key& key) {
  return std::lower_bound(rows.begin(), rows.end(), key, [](const Row& r, const Key& k) { return order(r) < k; });
}

template <typename Row, typename Key>
const Row* find_exact(const std::vector<Row>& rows, const Key& key) {
  const auto at =
      std::lower_bound(rows.begin(), rows.end(), key, [](const Row& r, const Key& k) { return order(r) < k; });
  return at != rows.end() && order(*at) == key ? &*at : nullptr;
}

template <typename Row>
void sort_rows(std::vector<Row>& rows) {
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return order(a) < order(b); });
}

}  // namespace

wallet* batch_state::find_wallet(user_id user) {
  const auto at = find_sorted(wallets, user);
  return at != wallets.end() && at->user == user ? &*at : nullptr;
}

const product_terms* batch_state::find_product(product_id product) const { return find_exact(products, product); }

product_stock* batch_state::find_stock(product_id product) {
  const auto at = find_sorted(stocks, product);
  return at != stocks.end() && at->product == product ? &*at : nullptr;
}

const transaction* batch_state::find_keyed(const key_place& place) const { return find_exact(keyed, place); }

holding& batch_state::holding_of(user_id user, product_id product) {
  const auto key = std::tuple{user, product};
  const auto at = find_sorted(holdings, key);
  if (at != holdings.end() && order(*at) == key) {
    return *at;
  }
  return *holdings.insert(at, holding{.user = user, .product = product, .purchased_at = {}});
}

refund_count& batch_state::refund_of(user_id user, version purchase) {
  const auto key = std::tuple{user, purchase};
  const auto at = find_sorted(refunds, key);
  if (at != refunds.end() && order(*at) == key) {
    return *at;
  }
  return *refunds.insert(at, refund_count{.user = user, .purchase = purchase});
}

void batch_state::sort() {
  sort_rows(wallets);
  sort_rows(holdings);
  sort_rows(products);
  sort_rows(stocks);
  sort_rows(refunds);
  sort_rows(keyed);
}

}  // namespace coffer::domain
