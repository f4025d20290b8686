// The model database of tests/simulation against the real one: the same statements to both, statement by statement,
// from seeds. What one answers the other does, and where one waits the other does.
#include <algorithm>
#include <set>

#include "coffer/domain/decide.hpp"
#include "ledger_session.hpp"
#include "simulation/connection.hpp"

namespace simulation_model_test {

using namespace coffer;
using namespace std::chrono_literals;
using simulation::served;

/// What a pipeline gave.
struct told {
  std::vector<pg::rows> results;
  pg::sqlstate failed = pg::sqlstate::none;
  std::size_t failed_at = 0;
  pg::transaction_state state = pg::transaction_state::unknown;
};

/// A value with its type, as text.
std::string spell(const pg::rows& from, int row, int column) {
  if (from.is_null(row, column)) {
    return "null";
  }
  const auto try_as = [&](auto read) {
    try {
      return std::optional{read()};
    } catch (const pg::error&) {
      return std::optional<std::string>{};
    }
  };
  std::optional<std::string> out = try_as([&] { return "int8 " + std::to_string(from.int64(row, column)); });
  out = out ? out : try_as([&] { return "int2 " + std::to_string(from.int16(row, column)); });
  out = out ? out : try_as([&] { return "bool " + std::to_string(static_cast<int>(from.boolean(row, column))); });
  out = out ? out : try_as([&] { return "time " + to_rfc3339(from.time(row, column)); });
  out = out ? out : try_as([&] { return "text " + std::string{from.text(row, column)}; });
  out = out ? out : try_as([&] { return "bytes " + std::string{from.bytes(row, column)}; });
  return out.value_or("a value of another type");
}

/// Tag and rows of a statement's result, without the clock; in an order of their own where the statement gives none.
std::vector<std::string> spell(const pg::statement& what, const pg::rows& from) {
  std::vector<std::string> lines;
  const std::string_view name = what.name;
  const int first = name == "batch_clock" || name == "batch_load_products" ? 1 : 0;
  for (int r = 0; r < from.size(); ++r) {
    std::string line;
    for (int c = first; c < from.columns(); ++c) {
      line += spell(from, r, c) + ", ";
    }
    lines.push_back(line);
  }
  if (!std::string_view{what.sql}.contains("order by")) {
    std::ranges::sort(lines);
  }
  lines.push_back(std::string{from.command_tag()} + " with " + std::to_string(from.columns()) + " columns");
  return lines;
}

/// A session with each database, which are told the same.
class twin {
 public:
  twin(asio::io_context& context, simulation::universe& model, const std::string& url)
      : context_{context}, model_{model} {
    pg::options how = test::database_options();
    how.url = url;
    how.lock_timeout = model.db.options.lock_timeout;
    store::add_batch_settings(how);
    real_ = test::run_task(context, pg::connection::open(context.get_executor(), std::move(how), net::deadline_in(5s)));
    backend_ = &model.db.connect("twin");
  }

  /// Sends the pipelines that `make` gives, and looks whether both answer or both wait.
  template <typename Make>
  void send(Make make) {
    sent_ = make();
    real_answer_.reset();
    model_answer_.reset();
    asio::co_spawn(context_, ask_real(make()), [](const std::exception_ptr& e) { REQUIRE(!e); });
    asio::co_spawn(model_.context, ask_model(), [](const std::exception_ptr& e) { REQUIRE(!e); });
    model_.context.restart();
    model_.context.poll();
    if (model_answer_) {
      compare();
      return;
    }
    context_.restart();
    context_.run_for(20ms);
    REQUIRE(!real_answer_);
  }

  [[nodiscard]] bool is_waiting() const { return !model_answer_; }

  /// Whoever held the row has ended: both go on. Or, in the end, their time is up.
  void go_on() {
    model_.context.restart();
    model_.context.poll();
    while (!model_answer_ && model_.time.advance()) {
      model_.context.restart();
      model_.context.poll();
    }
    REQUIRE(model_answer_.has_value());
    compare();
  }

  /// The last answer of the real one.
  [[nodiscard]] const told& answer() const { return *real_answer_; }
  [[nodiscard]] pg::transaction_state state() const { return backend_->state; }

 private:
  net::task<> ask_real(pg::pipeline statements) {
    told out;
    try {
      out.results = co_await real_->run(std::move(statements), net::deadline_in(10s));
    } catch (const pg::error& e) {
      out.failed = e.state();
      out.failed_at = e.statement_index();
    }
    out.state = real_->state();
    real_answer_ = std::move(out);
  }

  net::task<> ask_model() {
    served got = co_await model_.db.serve(*backend_, sent_);
    told out;
    out.failed = got.failed ? got.failed->state : pg::sqlstate::none;
    out.failed_at = got.failed ? got.failed_at : 0;
    out.state = got.state;
    if (!got.failed) {
      out.results = std::move(got.results);
    }
    model_answer_ = std::move(out);
  }

  void compare() {
    test::run_until(context_, [this] { return real_answer_.has_value(); }, 15s);
    const told &one = *real_answer_, &other = *model_answer_;
    CHECK(pg::to_string(one.failed) == pg::to_string(other.failed));
    CHECK(one.failed_at == other.failed_at);
    CHECK(one.state == other.state);
    REQUIRE(one.results.size() == other.results.size());
    for (std::size_t i = 0; i < one.results.size(); ++i) {
      const pg::statement& what = *sent_.entries()[i].what;
      INFO(what.name);
      CHECK(spell(what, one.results[i]) == spell(what, other.results[i]));
    }
  }

  asio::io_context& context_;
  simulation::universe& model_;
  std::unique_ptr<pg::connection> real_;
  simulation::backend* backend_ = nullptr;
  pg::pipeline sent_;
  std::optional<told> real_answer_, model_answer_;
};

/// Both databases with the same users and products.
struct shop_of_twins {
  explicit shop_of_twins(std::uint64_t seed) : random{seed} {
    for (int i = 0; i < 4; ++i) {
      users.push_back(s.user(300));
      const std::int64_t id = users.back().value;
      model.db.rows.users[id].newest = simulation::user_row{300, 1};
      domain::transaction row;
      row.user = users.back();
      row.at = version{1};
      row.amount = row.balance_after = domain::credits{300};
      row.request_id = "test";
      row.created_at = timestamp{std::chrono::microseconds{
          s.db.integer("select (extract(epoch from created_at) * 1000000)::bigint from transactions where user_id = $1",
                       {std::to_string(id)})}};
      model.db.rows.journal[{id, 1}].newest = row;
    }
    for (int i = 0; i < 4; ++i) {
      domain::product_terms terms;
      terms.type = i == 0 ? domain::product_type::permanent : domain::product_type::consumable;
      terms.price = domain::credits{10 * (i + 1)};
      terms.is_limited = i % 2 == 1;
      terms.per_user_limit = i == 2 ? std::optional<std::int64_t>{6} : std::nullopt;
      terms.id = s.product(terms.type, terms.price.value);
      const std::string id = std::to_string(terms.id.value);
      s.db.query("update products set is_limited = $2, per_user_limit = $3 where id = $1",
                 {id, terms.is_limited ? "true" : "false", i == 2 ? std::optional<std::string>{"6"} : std::nullopt});
      model.db.rows.products[terms.id.value].newest = terms;
      if (terms.is_limited) {
        s.db.query("insert into product_stock (product_id, supply) values ($1, 9)", {id});
        model.db.rows.stocks[terms.id.value].newest = simulation::stock_row{9, 0};
        limited.insert(terms.id);
      }
      products.push_back(terms.id);
    }
  }

  static simulation::database_options options() {
    simulation::database_options how;
    how.lock_timeout = 1s;
    return how;
  }

  domain::command command(int number) {
    using domain::transaction_kind;
    domain::command c;
    c.user = users[static_cast<std::size_t>(random.below(4))];
    c.request_id = "r" + std::to_string(number);
    const std::size_t which = static_cast<std::size_t>(random.below(4));
    c.product = products[which];
    c.quantity = which == 0 ? 1 : random.between(1, 3);
    constexpr std::array kinds = {transaction_kind::purchase, transaction_kind::purchase, transaction_kind::use,
                                  transaction_kind::grant, transaction_kind::deposit};
    c.kind = kinds.at(static_cast<std::size_t>(random.below(5)));
    if (c.kind == transaction_kind::deposit) {
      c.product.reset();
      c.quantity = 0;
      c.amount = domain::credits{random.between(1, 50)};
    }
    c.note = c.kind == transaction_kind::grant && random.one_in(2) ? "note" : "";
    if (random.one_in(2)) {
      c.idempotency_key = "k" + std::to_string(random.below(12));
      c.print[0] = static_cast<std::byte>(c.kind);
    }
    if (random.one_in(3)) {
      c.by = random.one_in(2) ? domain::actor::player() : domain::actor::server_key(7);
    }
    if (random.one_in(5)) {
      const auto& journal = model.db.rows.journal;
      const auto at = std::ranges::find_if(journal, [&](const auto& entry) {
        return entry.first.first == c.user.value && entry.second.newest &&
               entry.second.newest->kind == transaction_kind::purchase;
      });
      if (at != journal.end()) {
        c.kind = transaction_kind::refund;
        c.product = at->second.newest->product;
        c.quantity = 0;
        c.purchase = domain::to_refund(*at->second.newest);
      }
    }
    return c;
  }

  simulation::chance random;
  test::session s;
  simulation::universe model{1, options(), false};
  std::vector<user_id> users;
  std::vector<product_id> products;
  std::set<product_id> limited;
};

/// A batch of one session: loaded, then written or given up.
struct batch {
  std::vector<domain::command> commands;
  store::locking form = store::locking::wait;
  domain::batch_state state;
  domain::batch_effects effects;

  std::vector<const domain::command*> list() const {
    std::vector<const domain::command*> all;
    for (const domain::command& c : commands) {
      all.push_back(&c);
    }
    return all;
  }
};

class driver {
 public:
  explicit driver(std::uint64_t seed) : shop_{seed} {}

  void load(twin& with, batch& b) {
    b = batch{};
    const std::int64_t count = shop_.random.between(1, 5);
    for (std::int64_t i = 0; i < count; ++i) {
      b.commands.push_back(shop_.command(++number_));
    }
    b.form = static_cast<store::locking>(shop_.random.below(3));
    with.send([&] { return store::load_batch(b.list(), shop_.limited, b.form, 1s); });
  }

  /// What a lane does with a loaded batch, or something that the database refuses.
  void apply(twin& with, batch& b) {
    if (with.answer().failed != pg::sqlstate::none || shop_.random.one_in(8)) {
      const pg::statement& end = shop_.random.one_in(2) ? rollback : commit;
      with.send([&] { return one(end); });
      return;
    }
    b.state = store::read_batch(b.list(), shop_.limited, b.form, with.answer().results).state;
    if (shop_.random.one_in(6)) {
      spoil(b.state);
    }
    const std::vector<const domain::command*> decided = without_held(b);
    b.effects = domain::decide(decided, b.state);
    const auto stream = static_cast<std::int16_t>(shop_.random.between(1, 3));
    with.send([&] { return store::apply_batch(b.state, b.effects, {.lane_key = 3, .stream = stream}); });
  }

  void look_up(twin& with) {
    const std::vector<std::int64_t> users{shop_.users[0].value, shop_.users[1].value};
    const version at{shop_.random.between(1, 6)};
    with.send([&] { return store::find_committed(users, shop_.users[0], at); });
  }

  void end(twin& with) {
    if (with.state() != pg::transaction_state::idle) {
      with.send([&] { return one(rollback); });
    }
  }

  shop_of_twins& shop() { return shop_; }

  static constexpr pg::statement rollback{"rollback", "rollback"};
  static constexpr pg::statement commit{"commit", "commit"};
  static pg::pipeline one(const pg::statement& what) {
    pg::pipeline p;
    p.add(what);
    return p;
  }

 private:
  /// A state that a lane must never have: the database's own keys and checks refuse what comes of it.
  void spoil(domain::batch_state& state) {
    const std::int64_t how = shop_.random.below(4);
    if (how == 0 && !state.wallets.empty()) {
      state.wallets.front().at.value -= 1;
    } else if (how == 1) {
      state.keyed.clear();
    } else if (how == 2) {
      std::erase_if(state.holdings, [](const domain::holding& h) { return h.stored; });
    } else if (!state.stocks.empty()) {
      state.stocks.front().sold += 20;
    }
  }

  /// Of a load that skipped rows: the commands that have theirs.
  static std::vector<const domain::command*> without_held(batch& b) {
    std::vector<const domain::command*> all = b.list();
    std::erase_if(all, [&](const domain::command* c) { return b.state.find_wallet(c->user) == nullptr; });
    return all;
  }

  shop_of_twins shop_;
  int number_ = 0;
};

TEST_CASE("the model of the simulation answers as the database does, statement by statement") {
  simulation::met().clear();
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    INFO("seed " << seed);
    driver d{seed};
    twin first{d.shop().s.context, d.shop().model, d.shop().s.db.url()};
    twin second{d.shop().s.context, d.shop().model, d.shop().s.db.url()};
    batch one, other;
    for (int round = 0; round < 40; ++round) {
      INFO("round " << round);
      d.load(first, one);
      REQUIRE(!first.is_waiting());
      if (d.shop().random.one_in(4)) {
        other = batch{};
        d.look_up(second);
      } else {
        d.load(second, other);
      }
      const bool is_brief = other.form == store::locking::wait_briefly;
      if (second.is_waiting() && (is_brief || d.shop().random.one_in(8))) {
        second.go_on();  // until its time is up
      }
      const bool waits = second.is_waiting();
      d.apply(first, one);
      d.end(first);
      if (waits) {
        second.go_on();
      }
      if (!other.commands.empty() && second.answer().results.size() > 3) {
        d.apply(second, other);
      }
      d.end(second);
      other.commands.clear();
    }
  }
  for (const auto& [name, model] : simulation::all_statements()) {
    INFO(name);
    CHECK(simulation::met().contains(name));
  }
}

TEST_CASE("the model of the simulation ends a deadlock as the database does") {
  driver d{1};
  d.shop().model.db.options.lock_timeout = 10s;
  twin first{d.shop().s.context, d.shop().model, d.shop().s.db.url()};
  twin second{d.shop().s.context, d.shop().model, d.shop().s.db.url()};
  const auto lock = [&](twin& with, std::size_t user, bool begins) {
    with.send([&] {
      const std::vector<std::int64_t> ids{d.shop().users[user].value};
      pg::pipeline p;
      if (begins) {
        p.add(store::detail::begin_batch);
      }
      p.add(store::detail::lock_users, std::move(pg::params{}.add(std::span<const std::int64_t>{ids})));
      return p;
    });
  };
  lock(first, 0, true);
  lock(second, 1, true);
  lock(first, 1, false);
  CHECK(first.is_waiting());
  // The first to wait is the first to look, a second later; not so on a busy machine if the other follows at once.
  d.shop().s.context.restart();
  d.shop().s.context.run_for(500ms);
  lock(second, 0, false);
  CHECK(second.is_waiting());
  first.go_on();
  CHECK(pg::to_string(first.answer().failed) == "40P01");
  d.end(first);
  second.go_on();
  CHECK(second.answer().failed == pg::sqlstate::none);
  d.end(second);
}

}  // namespace simulation_model_test
