#include "support/shop.hpp"

#include <unistd.h>

#include <atomic>
#include <stdexcept>

#include <fmt/format.h>

#include "support/eventually.hpp"

namespace coffer::test {

namespace {

/// The answer's JSON when it has the wanted status; throws with the whole answer otherwise.
json_value expect(const http_response& answer, int status) {
  if (answer.status != status) {
    throw std::runtime_error(fmt::format("expected status {}, got {}\n{}", status, answer.head, answer.body));
  }
  return answer.json();
}

struct rule {
  const char* name;
  const char* violations;
};

/// Each statement counts violations.
constexpr rule rules[] = {
    {"a balance is not the sum of its journal",
     "select count(*) from (select u.id from users u left join transactions t on t.user_id = u.id and t.status = 2"
     " group by u.id having u.balance <> coalesce(sum(case t.kind when 1 then t.amount when 2 then -t.amount"
     " when 4 then case when t.product_id is null then -t.amount else t.amount end when 5 then case when t.detail_1 = "
     "-1 then -t.amount else t.amount end"
     " else 0 end), 0)) x"},
    {"a balance_after is not the running sum",
     "select count(*) from (select balance_after, sum(case when status <> 2 then 0 when kind = 2 then -amount"
     " when kind = 3 then 0 when kind = 5 and detail_1 = -1 then -amount"
     " when kind = 4 and product_id is null then -amount else amount end) over (partition by user_id "
     "order by version) as running"
     " from transactions) x where balance_after <> running"},
    {"versions are not dense",
     "select count(*) from (select u.id from users u left join transactions t on t.user_id = u.id group by u.id"
     " having u.version <> count(t.version) or u.version <> coalesce(max(t.version), 0)) x"},
    {"an inventory is not what the journal says",
     "select count(*) from inventory i full join (select user_id, product_id, sum(case kind when 2 then quantity"
     " when 3 then -quantity when 4 then detail_2 - quantity"
     " when 5 then case when detail_1 = -1 then -quantity else quantity end else 0 end) as quantity from transactions "
     "where status = 2 and product_id is not null"
     " group by user_id, product_id) j on j.user_id = i.user_id and j.product_id = i.product_id"
     " where coalesce(i.quantity, 0) <> coalesce(j.quantity, 0)"},
    {"a permanent is owned twice",
     "select count(*) from inventory i join products p on p.id = i.product_id where p.type = 2 and i.quantity > 1"},
    {"the sales counters are not what the journal says",
     "select count(*) from (select product_id, sum(purchases) a, sum(units) b, sum(revenue) c from sales_counters"
     " group by product_id) s full join (select product_id, count(*) a, sum(quantity) b, sum(amount) c"
     " from transactions where kind = 2 and status = 2 group by product_id) j using (product_id)"
     " where (s.a, s.b) is distinct from (j.a, j.b)"
     " or (s.c is distinct from j.c and not (s.c >= 9223372036854775807 and s.c <= j.c))"},
    {"the refunded sales are not what the journal says",
     "select count(*) from (select product_id, sum(purchases) a, sum(units) b, sum(revenue) c from refunded_sales"
     " group by product_id) s full join (select p.product_id, count(*) filter (where r.units = p.quantity) a,"
     " sum(r.units) b, sum(r.amount) c from transactions p join (select user_id, detail_1 as version,"
     " sum(quantity) as units, sum(amount) as amount from transactions where kind = 4 and status = 2"
     " group by user_id, detail_1) r using (user_id, version) where p.kind = 2 group by p.product_id) j using "
     "(product_id)"
     " where (s.a, s.b) is distinct from (j.a, j.b)"
     " or (s.c is distinct from j.c and not (s.c >= 9223372036854775807 and s.c <= j.c))"},
    {"a stock is not what its purchases say, or oversold",
     "select count(*) from product_stock s where s.sold not between 0 and coalesce(s.supply, s.sold)"
     " or s.sold <> (select coalesce(sum(quantity), 0) from transactions t where t.product_id = s.product_id"
     " and t.status = 2 and t.kind = 2 and t.detail_1 is not null)"},
    {"two purchases took the same piece of a stock",
     "select count(*) from (select detail_1 - quantity as first, lag(detail_1, 1, 0::bigint)"
     " over (partition by product_id order by detail_1) as before from transactions"
     " where status = 2 and kind = 2 and detail_1 is not null) x where first <> before"},
    {"units bought are not what the journal says",
     "select count(*) from inventory i where i.bought <> (select coalesce(sum(case kind when 2 then quantity"
     " else -quantity end), 0) from transactions t"
     " where t.user_id = i.user_id and t.product_id = i.product_id and t.kind in (2, 4) and t.status = 2)"},
    {"a purchase was refunded more often than it was made, or at another price",
     "select count(*) from transactions p cross join lateral (select coalesce(sum(quantity), 0) as units,"
     " coalesce(sum(amount), 0) as amount from transactions r where r.user_id = p.user_id and r.kind = 4"
     " and r.status = 2 and r.detail_1 = p.version) r where p.kind = 2 and p.status = 2"
     " and (r.units > p.quantity or r.amount * p.quantity <> p.amount * r.units or r.units <>"
     " (select coalesce(sum(units), 0) from refunds c where c.user_id = p.user_id and c.version = p.version))"},
    {"a refund is not of a purchase",
     "select count(*) from transactions r where r.kind = 4 and r.status = 2 and r.product_id is not null"
     " and not exists (select from transactions p"
     " where p.user_id = r.user_id and p.version = r.detail_1 and p.kind = 2 and p.status = 2"
     " and p.product_id = r.product_id)"},
    {"a refund left units behind, or took more than it gave back",
     "select count(*) from transactions where kind = 4 and status = 2 and product_id is not null and"
     " (coalesce(detail_2, -1) not between 0 and quantity or (detail_2 > 0 and item_quantity_after > 0))"},
    {"a deposit was taken back twice, in part, or with credits left in the wallet",
     "select count(*) from (select *, row_number() over (partition by user_id, detail_1 order by version) as nth"
     " from transactions where kind = 4 and status = 2 and product_id is null) r left join transactions d"
     " on d.user_id = r.user_id and d.version = r.detail_1 and d.kind = 1 and d.status = 2"
     " left join refunds c on c.user_id = r.user_id and c.version = r.detail_1"
     " where r.nth > 1 or r.quantity <> 0 or coalesce(r.detail_2, -1) < 0"
     " or r.amount + r.detail_2 is distinct from d.amount or c.units is distinct from d.amount"
     " or (r.detail_2 > 0 and r.balance_after > 0)"},
    {"a row is of a user that there is not",
     "select count(*) from (select user_id from transactions union all select user_id from inventory) x"
     " where not exists (select from users u where u.id = x.user_id)"},
    {"a row is pending", "select count(*) from transactions where status = 1"},
};

}  // namespace

std::string unique_word(const std::string& prefix) {
  static std::atomic<unsigned> next{1};
  return fmt::format("{}-{}-{}", prefix, ::getpid(), next++);
}

header_list key(const std::string& value) { return {{"Idempotency-Key", value}}; }

std::int64_t make_user(http_client& client, std::int64_t funds) {
  const std::string name = unique_word("u");
  const auto body = fmt::format(R"({{"username":"{0}","email":"{0}@example.com"}})", name);
  const std::int64_t id = expect(client.post("/users", body), 201)["id"].integer();
  if (funds > 0) {
    expect(deposit(client, id, funds, "initial-funds"), 201);
  }
  return id;
}

std::int64_t make_product(http_client& client, const std::string& type, std::int64_t price) {
  const auto body = fmt::format(R"({{"name":"{}","price":{},"type":"{}"}})", unique_word("product"), price, type);
  return expect(client.post("/products", body), 201)["id"].integer();
}

http_response deposit(http_client& client, std::int64_t user, std::int64_t amount, const std::string& k) {
  return client.post(fmt::format("/users/{}/add-funds", user), fmt::format(R"({{"amount":{}}})", amount), key(k));
}

http_response buy(http_client& client, std::int64_t user, std::int64_t product, std::int64_t quantity,
                  const std::optional<std::string>& k) {
  return client.post(fmt::format("/products/{}/purchase", product),
                     fmt::format(R"({{"user_id":{},"quantity":{}}})", user, quantity), k ? key(*k) : header_list{});
}

http_response use(http_client& client, std::int64_t user, std::int64_t product, std::int64_t quantity,
                  const std::optional<std::string>& k) {
  return client.post(fmt::format("/products/{}/use", product),
                     fmt::format(R"({{"user_id":{},"quantity":{}}})", user, quantity), k ? key(*k) : header_list{});
}

std::int64_t balance_of(http_client& client, std::int64_t user) {
  return expect(client.get(fmt::format("/users/{}", user)), 200)["balance"].integer();
}

std::int64_t owned_units(http_client& client, std::int64_t user, std::int64_t product) {
  const json_value inventory = expect(client.get(fmt::format("/users/{}/inventory", user)), 200);
  for (const json_value& item : inventory["items"].elements()) {
    if (item["product_id"] == product) {
      return item["quantity"].integer();
    }
  }
  return 0;
}

shop::shop(const environment& extra, std::int64_t funds)
    : server{db, extra},
      client{server.client()},
      user{make_user(client, funds)},
      product{make_product(client, "consumable", 1)} {}

environment patient_settings() {
  return {{"COFFER_REQUEST_TIMEOUT", "30s"},
          {"COFFER_DRAIN_TIMEOUT", "30s"},
          {"COFFER_DATABASE_STATEMENT_TIMEOUT", "20s"},
          {"COFFER_DATABASE_LOCK_TIMEOUT", "20s"}};
}

held_row::held_row(const database& db, std::int64_t user) : session_{db.url()} {
  session_.query("begin");
  session_.query("select 1 from users where id = $1 for update", {std::to_string(user)});
}

bool held_row::is_waited_for(std::chrono::milliseconds limit) {
  const char* const waiting =
      "select count(*) from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid))";
  return eventually(limit, [&] { return session_.integer(waiting) > 0; });
}

std::string audit(database& db) {
  std::string violations;
  sql_session& sql = db.sql();
  sql.query("begin isolation level repeatable read read only");
  for (const rule& r : rules) {
    if (const std::int64_t count = sql.integer(r.violations); count != 0) {
      violations += fmt::format("{}: {}\n", r.name, count);
    }
  }
  sql.query("commit");
  return violations;
}

}  // namespace coffer::test
