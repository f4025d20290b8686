#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/fault_proxy.hpp"
#include "support/pg_environment.hpp"
#include "support/run_task.hpp"

using namespace coffer;
using namespace std::chrono_literals;
using test::error_of;
using test::pg_session;
using test::url_with;

/// The name service of this program takes its time for one name; everything else is the machine's own.
extern "C" int getaddrinfo(const char* name, const char* service, const addrinfo* hints, addrinfo** found) {
  static const auto machines = reinterpret_cast<decltype(&::getaddrinfo)>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  if (name != nullptr && std::string_view{name} == "slow.invalid") {
    std::this_thread::sleep_for(300ms);
    return EAI_NONAME;
  }
  return machines(name, service, hints, found);
}

namespace {

/// A port of 127.0.0.1 that nobody listens on: bound, so that nobody else takes it.
class refusing_port {
 public:
  refusing_port() : fd_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    REQUIRE(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), size) == 0);
    REQUIRE(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
  }
  ~refusing_port() { ::close(fd_); }
  refusing_port(const refusing_port&) = delete;
  refusing_port& operator=(const refusing_port&) = delete;

  [[nodiscard]] std::string port() const { return std::to_string(port_); }

 private:
  int fd_;
  std::uint16_t port_ = 0;
};

pg::options options_with(const std::vector<std::pair<std::string, std::string>>& keywords) {
  return pg::options{url_with(test::database_url(), keywords)};
}

/// A role that may connect once, with a password that trusting servers ignore. Dropped at the end.
class limited_role {
 public:
  limited_role() {
    drop();
    admin_.execute("create role coffer_limited login password 'limited' connection limit 1");
  }
  ~limited_role() { drop(); }
  limited_role(const limited_role&) = delete;
  limited_role& operator=(const limited_role&) = delete;

  static pg::options options() { return options_with({{"user", "coffer_limited"}, {"password", "limited"}}); }

 private:
  void drop() { admin_.execute("drop role if exists coffer_limited"); }

  pg_session admin_;
};

}  // namespace

TEST_CASE("a session starts with the project's settings") {
  pg::options how = test::database_options();
  how.application_name = "coffer_test";
  how.statement_timeout = 1234ms;
  how.lock_timeout = 567ms;
  how.idle_in_transaction_timeout = 8901ms;
  how.settings = {{"jit", "off"}, {"search_path", "public, pg_catalog"}};
  pg_session session{how};
  CHECK(session.ask("show statement_timeout") == "1234ms");
  CHECK(session.ask("show lock_timeout") == "567ms");
  CHECK(session.ask("show idle_in_transaction_session_timeout") == "8901ms");
  CHECK(session.ask("show jit") == "off");
  CHECK(session.ask("show search_path") == "public, pg_catalog");
  CHECK(session.ask("show application_name") == "coffer_test");
  CHECK(session.ask("show client_encoding") == "UTF8");
  CHECK(session.ask("show TimeZone") == "UTC");
  CHECK(session.ask("show default_transaction_isolation") == "read committed");
  CHECK(session->server_version() >= 140000);
  CHECK(session->backend_pid() == std::stoi(session.ask("select pg_backend_pid()")));
  CHECK(session->state() == pg::transaction_state::idle);
}

TEST_CASE("a session's settings survive whatever becomes of its first statements") {
  pg::options how = test::database_options();
  how.statement_timeout = 1234ms;
  constexpr pg::statement begin{"begin", "begin"};
  constexpr pg::statement wrong{"wrong", "select 1 / 0"};
  constexpr pg::statement limit{"limit", "select current_setting('statement_timeout')"};
  pg_session session{how};
  pg::pipeline failing;
  failing.add(begin).add(limit).add(wrong);
  const auto e = error_of([&] { session.run(std::move(failing)); });
  CHECK(e.statement_index() == 2);
  CHECK(e.connection_usable());
  session.execute("rollback");
  CHECK(session.query(limit).text(0, 0) == "1234ms");
  CHECK(session.ask("show statement_timeout") == "1234ms");
}

TEST_CASE("a session whose settings the server refuses is not used") {
  pg::options how = test::database_options();
  how.settings = {{"no_such_setting", "1"}};
  pg_session session{how};
  constexpr pg::statement one{"one", "select 1"};
  const auto e = error_of([&] { session.query(one); });
  CHECK_FALSE(e.connection_usable());
  CHECK(e.message().find("no_such_setting") != std::string::npos);
}

TEST_CASE("what the URL asks for wins over the defaults and is kept beside the settings") {
  pg::options how = options_with({{"application_name", "from_url"}, {"options", "-c work_mem=5MB -c jit=on"}});
  pg_session session{how};
  CHECK(session.ask("show application_name") == "from_url");
  CHECK(session.ask("show work_mem") == "5MB");
  CHECK(session.ask("show jit") == "on");
  CHECK(session.ask("show TimeZone") == "UTC");
}

TEST_CASE("without preparing, a session works the same and sets what it needs in each transaction") {
  pg::options how = test::database_options();
  how.prepared = false;
  how.statement_timeout = 1234ms;
  pg_session session{how};
  constexpr pg::statement limit{"limit", "select current_setting('statement_timeout')"};
  constexpr pg::statement begin{"begin", "begin"};
  constexpr pg::statement commit{"commit", "commit"};
  const std::string before = session.ask("show statement_timeout");
  CHECK(before != "1234ms");
  CHECK(session.query(limit).text(0, 0) == "1234ms");
  CHECK(session.ask("show statement_timeout") == before);
  pg::pipeline first;
  first.add(begin).add(limit);
  CHECK(session.run(std::move(first)).at(1).text(0, 0) == "1234ms");
  pg::pipeline second;
  second.add(limit).add(commit);
  CHECK(session.run(std::move(second)).at(0).text(0, 0) == "1234ms");
  CHECK(session.ask("show statement_timeout") == before);
  constexpr pg::statement wrong{"wrong", "select 1 / 0"};
  pg::pipeline failing;
  failing.add(begin).add(limit).add(wrong);
  CHECK(error_of([&] { session.run(std::move(failing)); }).statement_index() == 2);
  session.execute("rollback");
  constexpr pg::statement add{"add", "select $1::int8 + $2::int8"};
  for (int i = 0; i < 3; ++i) {
    CHECK(session.query(add, pg::params::of(std::int64_t{40}, std::int64_t{2})).int64(0, 0) == 42);
  }
  CHECK(session.ask("select count(*)::text from pg_prepared_statements") == "0");
}

TEST_CASE("a refused connection is a connect error that was certainly not sent") {
  const refusing_port nobody;
  const auto e = error_of([&] { pg_session{options_with({{"host", "127.0.0.1"}, {"port", nobody.port()}})}; });
  CHECK(e.kind() == pg::failure::connect);
  CHECK(e.state() == pg::sqlstate::cannot_establish_connection);
  CHECK(e.delivered() == pg::delivery::not_sent);
  CHECK_FALSE(e.connection_usable());
  CHECK(std::string{e.what()}.find("refused") != std::string::npos);
}

TEST_CASE("a failed login carries the server's SQLSTATE and words") {
  const auto role = error_of([] { pg_session{options_with({{"user", "coffer_nobody"}, {"password", "x"}})}; });
  CHECK(role.kind() == pg::failure::connect);
  CHECK(pg::class_of(role.state()) == pg::class_of(pg::sqlstate::invalid_authorization));
  const auto database = error_of([] { pg_session{options_with({{"dbname", "coffer_no_such_database"}})}; });
  CHECK(database.state() == pg::sqlstate::invalid_catalog_name);
  CHECK(std::string{database.what()}.find("coffer_no_such_database") != std::string::npos);
  CHECK(std::string{database.what()}.find('\n') == std::string::npos);
}

TEST_CASE("too many connections are recognisable") {
  const limited_role role;
  const pg_session first{limited_role::options()};
  const auto e = error_of([] { pg_session{limited_role::options()}; });
  CHECK(e.kind() == pg::failure::connect);
  CHECK(e.state() == pg::sqlstate::too_many_connections);
  CHECK(pg::is_server_unavailable(e.state()));
}

TEST_CASE("a malformed URL is refused without showing it") {
  const auto e = error_of([] { pg_session{pg::options{"postgresql://user:secret@[broken/db"}}; });
  CHECK(e.kind() == pg::failure::connect);
  CHECK(std::string{e.what()}.find("secret") == std::string::npos);
}

TEST_CASE("a server that accepts and stays silent costs the connect timeout and no more") {
  test::server_address server = test::database_address();
  test::fault_proxy proxy{server.host, server.port};
  proxy.stall_all();
  pg::options how{url_with(test::database_url(), proxy.keywords())};
  how.connect_timeout = 200ms;
  const auto start = std::chrono::steady_clock::now();
  const auto e = error_of([&] { pg_session{how}; });
  CHECK(e.kind() == pg::failure::timed_out);
  CHECK(e.state() == pg::sqlstate::cannot_establish_connection);
  CHECK(e.delivered() == pg::delivery::not_sent);
  const auto took = std::chrono::steady_clock::now() - start;
  CHECK(took >= 200ms);
  CHECK(took < 5s);
  proxy.heal();
  CHECK(pg_session{how}.ask("select 'well again'") == "well again");
}

TEST_CASE("of several hosts the first that works is used") {
  const test::server_address server = test::database_address();
  test::fault_proxy proxy{server.host, server.port};
  const refusing_port nobody;

  SECTION("when the first refuses") {
    pg_session session{
        options_with({{"host", "127.0.0.1,127.0.0.1"}, {"port", fmt::format("{},{}", nobody.port(), proxy.port())}})};
    CHECK(session.ask("select 'second'") == "second");
    CHECK(session->peer() == fmt::format("127.0.0.1:{}", proxy.port()));
  }
  SECTION("when the first must be writable and the second is") {
    pg_session session{options_with({{"host", "127.0.0.1,127.0.0.1"},
                                     {"port", fmt::format("{},{}", nobody.port(), proxy.port())},
                                     {"target_session_attrs", "read-write"}})};
    CHECK(session.ask("select 'second'") == "second");
  }
  SECTION("when the first accepts and stays silent") {
    test::fault_proxy silent{server.host, server.port};
    silent.stall_all();
    pg::options how =
        options_with({{"host", "127.0.0.1,127.0.0.1"}, {"port", fmt::format("{},{}", silent.port(), proxy.port())}});
    how.connect_timeout = 2s;
    pg_session session{how};
    CHECK(session->peer() == fmt::format("127.0.0.1:{}", proxy.port()));
    CHECK(session.ask("select 'second'") == "second");
  }
  SECTION("and when none does, the error names the last") {
    const auto e =
        error_of([&] { pg_session{options_with({{"host", "127.0.0.1,127.0.0.1"}, {"port", nobody.port()}})}; });
    CHECK(e.kind() == pg::failure::connect);
  }
}

TEST_CASE("a host name is looked up, and one that does not exist is passed over") {
  const test::server_address server = test::database_address();
  test::fault_proxy proxy{server.host, server.port};
  const std::string port = std::to_string(proxy.port());
  // Longer than a name may be: refused without asking any name service.
  const std::string impossible(300, 'x');
  pg_session local{options_with({{"host", "localhost"}, {"port", port}})};
  CHECK(local.ask("select 'found'") == "found");
  CHECK(local->peer() == "localhost:" + port);
  pg_session second{options_with({{"host", impossible + ",localhost"}, {"port", port}})};
  CHECK(second.ask("select 'found'") == "found");
  const auto e = error_of([&] { pg_session{options_with({{"host", impossible}, {"port", port}})}; });
  CHECK(e.kind() == pg::failure::connect);
  CHECK(e.state() == pg::sqlstate::cannot_establish_connection);
  CHECK(e.delivered() == pg::delivery::not_sent);
}

TEST_CASE("a host that is read-only is passed over when a writable one is asked for") {
  pg_session admin;
  admin.execute("drop role if exists coffer_reader");
  admin.execute("create role coffer_reader login password 'reader'");
  admin.execute("alter role coffer_reader set default_transaction_read_only = on");
  const auto e = error_of([&] {
    pg_session{
        options_with({{"user", "coffer_reader"}, {"password", "reader"}, {"target_session_attrs", "read-write"}})};
  });
  CHECK(e.kind() == pg::failure::connect);
  CHECK(std::string{e.what()}.find("read-only") != std::string::npos);
  admin.execute("drop role coffer_reader");
}

TEST_CASE("connecting leaves no descriptor behind") {
  const auto open_descriptors = [] {
    int count = 0;
    for (int fd = 0; fd < 256; ++fd) {
      count += ::fcntl(fd, F_GETFD) != -1 ? 1 : 0;
    }
    return count;
  };
  pg_session{};
  const int before = open_descriptors();
  const refusing_port nobody;
  for (int i = 0; i < 5; ++i) {
    pg_session{};
    error_of([&] { pg_session{options_with({{"host", "127.0.0.1"}, {"port", nobody.port()}})}; });
  }
  CHECK(open_descriptors() == before + 1);
}

TEST_CASE("look-ups that were given up do not stand in the way of later ones") {
  asio::io_context context{1};
  const auto open = [&context](const std::string& url, std::chrono::milliseconds limit) {
    pg::options how{url};
    how.connect_timeout = limit;
    return error_of(
        [&] { test::run_task(context, pg::connection::open(context.get_executor(), how, net::deadline_in(limit))); });
  };
  for (int i = 0; i < 20; ++i) {
    CHECK(open("postgresql://slow.invalid/x", 20ms).kind() == pg::failure::timed_out);
  }
  const refusing_port port;
  CHECK(open("postgresql://localhost:" + port.port() + "/x", 2s).kind() == pg::failure::connect);
}
