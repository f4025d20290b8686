#include "coffer/net/tls.hpp"
#include "coffer/redis/client.hpp"

#include <thread>

#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/redis_server.hpp"
#include "support/run_task.hpp"
#include "support/temporary_folder.hpp"
#include "support/tls_link.hpp"

namespace redis_client_test {

using namespace coffer;
using namespace std::chrono_literals;

namespace {

using clock = std::chrono::steady_clock;

/// A client with an event loop of its own.
struct session {
  explicit session(redis::options how) : client{context.get_executor(), std::move(how)} {}
  explicit session(const std::string& url) : session{test::patient(url)} {}

  redis::outcome ask(std::vector<std::string> arguments) {
    return test::run_task(context, client.command(std::move(arguments)));
  }
  void post(std::vector<std::string> arguments, redis::callback done) {
    const std::vector<std::string_view> views{arguments.begin(), arguments.end()};
    client.post_command(views, std::move(done));
  }
  void run_until(const std::function<bool()>& done) { test::run_until(context, done, 20s); }
  void run_for(std::chrono::milliseconds span) {
    context.restart();
    context.run_for(span);
  }
  /// Runs until a command is answered.
  void recover() {
    run_until([this] { return client.available(); });
    REQUIRE(ask({"PING"}));
  }

  asio::io_context context{1};
  redis::client client;
};

redis::options impatient(const std::string& url) {
  redis::options how = test::patient(url);
  how.command_timeout = 100ms;
  how.breaker_open = 200ms;
  return how;
}

std::string text(const redis::outcome& o) { return o ? o->text : "(" + std::string{to_string(o.error())} + ")"; }

}  // namespace

TEST_CASE("a command is answered, the first one too, which waits for the connection") {
  session s{test::redis_url()};
  const std::string key = test::unique_prefix() + "k";
  CHECK(s.ask({"SET", key, std::string{"a\0\r\n", 4}, "PX", "10000"})->is_ok());
  CHECK(text(s.ask({"GET", key})) == std::string{"a\0\r\n", 4});
  CHECK(s.ask({"GET", key + "x"})->is_null());
  CHECK(s.ask({"LPUSH", key, "x"})->error_code() == "WRONGTYPE");
  CHECK(s.ask({"UNLINK", key})->integer == 1);
  CHECK(s.client.server_run().size() == 40);
  CHECK(s.client.available());
  CHECK(s.client.pending() == 0);
}

TEST_CASE("scripts run with keys and arguments, and survive a flushed script cache") {
  test::redis_server server;
  session s{server.url()};
  constexpr std::string_view source = "return {KEYS[1], ARGV[1], #KEYS}";
  for (int i = 0; i < 2; ++i) {
    const redis::outcome answer = test::run_task(s.context, s.client.eval(source, {"k"}, {"a"}));
    REQUIRE(answer);
    CHECK(answer->elements.at(0).text == "k");
    CHECK(answer->elements.at(1).text == "a");
    CHECK(answer->elements.at(2).integer == 1);
    server.command({"SCRIPT", "FLUSH"});
  }
}

TEST_CASE("replies come in the order of the commands, from callers and posters alike") {
  session s{test::redis_url()};
  std::vector<int> seen;
  constexpr int count = 1000;
  for (int i = 0; i < count; ++i) {
    if (i % 3 == 0) {
      s.post({"ECHO", std::to_string(i)}, [&seen](redis::outcome o) { seen.push_back(std::stoi(text(o))); });
    } else {
      std::vector<std::string> command{"ECHO", std::to_string(i)};
      asio::co_spawn(s.context, s.client.command(std::move(command)),
                     [&seen](std::exception_ptr, redis::outcome o) { seen.push_back(std::stoi(text(o))); });
    }
  }
  s.run_until([&] { return seen.size() == count; });
  std::vector<bool> there(count);
  for (const int i : seen) {
    there.at(static_cast<std::size_t>(i)) = true;
  }
  CHECK(std::count(there.begin(), there.end(), true) == count);
}

TEST_CASE("a posted command is on its way when the call returns") {
  test::redis_server server;
  session s{server.url()};
  s.recover();
  s.post({"SET", "k", "v"}, redis::callback{});
  // The event loop of the client does not run any more.
  CHECK(test::eventually(10s, [&] { return server.command({"GET", "k"}).text == "v"; }));
}

TEST_CASE("large values pass in both directions") {
  session s{test::redis_url()};
  const std::string value(8 * 1024 * 1024, 'x');
  CHECK((text(s.ask({"ECHO", value})) == value));
  CHECK(text(s.ask({"ECHO", "after"})) == "after");
}

TEST_CASE("it logs in with a password, as a user, and selects a database") {
  test::redis_server server{{"--requirepass", "s3cret/@"}};
  const std::string path = server.socket();
  {
    session admin{"unix://:s3cret%2F%40@" + path + "?db=3"};
    CHECK(admin.ask({"SET", "k", "three"})->is_ok());
    CHECK(admin.ask({"ACL", "SETUSER", "app", "on", ">pw", "~*", "+@all", "-info"})->is_ok());
    CHECK(admin.ask({"SELECT", "0"})->is_ok());
    CHECK(admin.ask({"GET", "k"})->is_null());
  }
  {
    session app{"unix://app:pw@" + path + "?db=3"};
    CHECK(text(app.ask({"GET", "k"})) == "three");
    CHECK(app.client.server_run().starts_with("unnamed-"));
    session other{"unix://app:pw@" + path + "?db=3"};
    other.recover();
    CHECK(other.client.server_run() != app.client.server_run());
  }
  for (const std::string& url : {"unix://" + path, "unix://:wrong@" + path, "unix://app:wrong@" + path,
                                 "unix://:s3cret%2F%40@" + path + "?db=99"}) {
    session stranger{url};
    INFO(url);
    CHECK(text(stranger.ask({"GET", "k"})) == "(unavailable)");
    CHECK(!stranger.client.available());
  }
}

TEST_CASE("what a server refuses is told apart from silence") {
  test::redis_server server{{"--requirepass", "s3cret"}};
  session wrong{"unix://:other@" + server.socket()};
  CHECK(text(wrong.ask({"GET", "k"})) == "(unavailable)");
  CHECK(wrong.client.refusal().starts_with("the user or the password is wrong (WRONGPASS"));
  session missing{server.url()};
  CHECK(text(missing.ask({"GET", "k"})) == "(unavailable)");
  CHECK(missing.client.refusal().starts_with("it asks for a password, and the URL has none"));
  session silent{"unix:///nonexistent/redis.sock"};
  CHECK(text(silent.ask({"GET", "k"})) == "(unavailable)");
  CHECK(silent.client.refusal().empty());
}

TEST_CASE("a node of a cluster is refused, whether it says what it is or not") {
  test::redis_server server{{"--cluster-enabled", "yes"}};
  session open{server.url()};
  CHECK(text(open.ask({"GET", "k"})) == "(unavailable)");
  CHECK(open.client.refusal().find("Redis Cluster") != std::string::npos);
  server.command({"CLUSTER", "ADDSLOTSRANGE", "0", "16383"});
  server.command({"ACL", "SETUSER", "app", "on", ">pw", "~*", "+@all", "-info"});
  session hidden{"unix://app:pw@" + server.socket()};
  hidden.run_until([&] {
    hidden.ask({"MGET", "one", "two"});
    return !hidden.client.refusal().empty();
  });
  CHECK(hidden.client.refusal().find("Redis Cluster") != std::string::npos);
  CHECK(!hidden.client.available());
}

TEST_CASE("it speaks TLS with a server whose certificate is good, and with no other") {
  const test::temporary_folder folder;
  const auto server_files = test::make_certificate(folder, "localhost");
  const auto client_files = test::make_certificate(folder, "client");
  const std::uint16_t port = test::free_port();
  test::redis_server server{{"--tls-port", std::to_string(port), "--tls-cert-file", server_files.certificate,
                             "--tls-key-file", server_files.key, "--tls-ca-cert-file", client_files.certificate}};
  const std::string shown = "&cert=" + client_files.certificate + "&key=" + client_files.key;
  const std::string trusted = "?cacert=" + server_files.certificate;
  const std::string where = fmt::format("rediss://localhost:{}", port);
  {
    session s{where + trusted + shown};
    const std::string value(3 * 1024 * 1024, 'x');
    CHECK(s.ask({"SET", "k", value})->is_ok());
    CHECK((text(s.ask({"GET", "k"})) == value));
    CHECK((server.command({"GET", "k"}).text == value));
    s.post({"SET", "posted", "1"}, {});
    test::run_task(s.context, s.client.close());
    CHECK(server.command({"GET", "posted"}).text == "1");
  }
  {
    session by_number{fmt::format("rediss://127.0.0.1:{}", port) + trusted + shown + "&sni=localhost"};
    CHECK(text(by_number.ask({"GET", "posted"})) == "1");
  }
  for (const std::string& url : {where + "?" + shown.substr(1),                                 // not trusted
                                 where + trusted + shown + "&sni=cache.example",                // of another name
                                 fmt::format("rediss://127.0.0.1:{}", port) + trusted + shown,  // likewise
                                 where + trusted,                                               // shows nothing
                                 fmt::format("redis://localhost:{}", port)}) {                  // no TLS
    INFO(url);
    session stranger{url};
    CHECK(!stranger.ask({"GET", "posted"}));
    CHECK(!stranger.client.available());
  }
  std::string complaint;
  try {
    session{where + "?cacert=/nonexistent.pem"};
  } catch (const std::invalid_argument& e) {
    complaint = e.what();
  }
  CHECK(complaint.find("/nonexistent.pem: cannot be read as PEM certificates") != std::string::npos);
}

TEST_CASE("it connects over TCP by number and by name") {
  const std::uint16_t port = test::free_port();
  const test::redis_server server{{"--port", std::to_string(port), "--bind", "127.0.0.1"}};
  session by_number{"redis://127.0.0.1:" + std::to_string(port) + "/1"};
  CHECK(text(by_number.ask({"PING"})) == "PONG");
  // Its first address may be of the other family, where nothing listens.
  session by_name{"redis://localhost:" + std::to_string(port)};
  by_name.recover();
  session nobody{"redis://127.0.0.1:1"};
  CHECK(text(nobody.ask({"PING"})) == "(unavailable)");
  session nameless{"redis://no-such-host.invalid"};
  const auto begun = clock::now();
  CHECK(!nameless.ask({"PING"}));
  CHECK(clock::now() - begun < 5s);
}

TEST_CASE("a malformed URL is refused at once") {
  asio::io_context context{1};
  CHECK_THROWS_AS((redis::client{context.get_executor(), redis::options{"http://x"}}), std::invalid_argument);
}

TEST_CASE("without a server commands fail at once, and work again when it is back") {
  test::redis_server server;
  session s{server.url()};
  s.recover();
  server.kill();
  s.run_until([&] { return !s.client.available(); });
  for (int i = 0; i < 20; ++i) {
    CHECK(text(s.ask({"PING"})) == "(unavailable)");
  }
  const std::string run = s.client.server_run();
  server.start();
  s.recover();
  CHECK(s.client.server_run() != run);
}

TEST_CASE("a stalled server costs a deadline a few times, then nothing, and is used again when it goes on") {
  test::redis_server server;
  session s{impatient(server.url())};
  s.recover();
  server.stall();
  int timeouts = 0;
  redis::outcome last = s.ask({"PING"});
  for (; !last && last.error() == redis::failure::timeout; last = s.ask({"PING"})) {
    ++timeouts;
  }
  CHECK(timeouts == 5);
  // The connection has been given up too, so either is right.
  CHECK((text(last) == "(breaker_open)" || text(last) == "(unavailable)"));
  CHECK(!s.client.available());
  server.resume();
  s.recover();
}

TEST_CASE("a late reply is not taken for the reply to a later command") {
  test::redis_server server;
  redis::options how = test::patient(server.url());
  how.command_timeout = 300ms;
  how.breaker_failures = 1000;
  session s{std::move(how)};
  s.recover();
  std::vector<std::string> seen;
  const auto note = [&seen](redis::outcome o) { seen.push_back(text(o)); };
  server.stall();
  s.post({"ECHO", "early"}, note);
  s.run_until([&] { return seen.size() == 1; });
  CHECK(seen[0] == "(timeout)");
  s.post({"ECHO", "late"}, note);
  server.resume();
  s.run_until([&] { return seen.size() == 2; });
  CHECK(seen[1] == "late");
}

TEST_CASE("a reply that was there before a busy event loop looked is in time") {
  session s{impatient(test::redis_url())};
  s.recover();
  std::string seen;
  s.post({"ECHO", "x"}, [&seen](redis::outcome o) { seen = text(o); });
  std::this_thread::sleep_for(250ms);
  s.run_until([&] { return !seen.empty(); });
  CHECK(seen == "x");
}

TEST_CASE("a connection cut with commands under way ends each of them once, in order, and is made again") {
  test::redis_server server;
  session s{server.url()};
  s.recover();
  server.command({"CLIENT", "PAUSE", "60000", "WRITE"});
  std::vector<int> seen;
  int lost = 0;
  for (int i = 0; i < 50; ++i) {
    s.post({"INCR", "n"}, [&, i](redis::outcome o) {
      seen.push_back(i);
      lost += text(o) == "(lost)" ? 1 : 0;
    });
  }
  s.run_for(20ms);
  CHECK(s.client.pending() == 50);
  server.cut_connections();
  s.run_until([&] { return seen.size() == 50; });
  CHECK(lost == 50);  // and not "(unavailable)": each may have been executed
  CHECK(std::is_sorted(seen.begin(), seen.end()));
  server.command({"CLIENT", "UNPAUSE"});
  s.recover();
}

TEST_CASE("more commands than may wait are refused") {
  test::redis_server server;
  redis::options how = test::patient(server.url());
  how.max_pending = 10;
  how.max_unsent_bytes = 4 * 1024 * 1024;
  session s{std::move(how)};
  s.recover();
  server.stall();
  std::vector<std::string> seen;
  const auto note = [&seen](redis::outcome o) { seen.push_back(text(o)); };
  SECTION("by number") {
    for (int i = 0; i < 11; ++i) {
      s.post({"ECHO", "x"}, note);
    }
    CHECK(seen == std::vector<std::string>{"(overloaded)"});
    server.resume();
    s.run_until([&] { return seen.size() == 11; });
    CHECK(seen.back() == "x");
  }
  SECTION("by size") {
    const std::string large(3 * 1024 * 1024, 'x');
    for (int i = 0; i < 3; ++i) {
      s.post({"STRLEN", large}, note);
    }
    CHECK(seen == std::vector<std::string>{"(overloaded)"});
    server.resume();
    s.run_until([&] { return seen.size() == 3; });
  }
  server.resume();
}

TEST_CASE("a server that does not speak RESP is a protocol failure, never an exception") {
  // A peer that answers the login as Redis would and then speaks HTTP.
  asio::io_context peer_context{1};
  net::tcp_acceptor acceptor{peer_context, asio::ip::tcp::endpoint{asio::ip::address_v4::loopback(), 0}};
  const std::uint16_t port = acceptor.local_endpoint().port();
  std::jthread peer{[&] {
    net::tcp_socket socket = acceptor.accept();
    std::array<char, 4096> buffer;
    socket.read_some(asio::buffer(buffer));
    asio::write(socket, asio::buffer(std::string_view{"$4\r\ninfo\r\n"}));
    socket.read_some(asio::buffer(buffer));
    asio::write(socket, asio::buffer(std::string_view{"HTTP/1.1 400 Bad Request\r\n\r\n"}));
    asio::error_code ignored;
    socket.read_some(asio::buffer(buffer), ignored);
  }};
  session s{"redis://127.0.0.1:" + std::to_string(port)};
  CHECK(text(s.ask({"GET", "k"})) == "(protocol)");
  CHECK(!s.client.available());
}

TEST_CASE("close waits for what was sent, and afterwards nothing is sent") {
  test::redis_server server;
  session s{server.url()};
  s.recover();
  std::vector<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    s.post({"INCR", "n"}, [&seen](redis::outcome o) { seen.push_back(o ? "ok" : "lost"); });
  }
  test::run_task(s.context, s.client.close());
  CHECK(seen == std::vector<std::string>(100, "ok"));
  CHECK(server.command({"GET", "n"}).text == "100");
  CHECK(text(s.ask({"PING"})) == "(unavailable)");
  s.context.restart();
  CHECK(s.context.run_for(5s) < 100);  // returns, because nothing is left to wait for
}

TEST_CASE("a client that goes ends what waits for it") {
  test::redis_server server;
  asio::io_context context{1};
  std::string called;
  std::string posted;
  {
    redis::client client{context.get_executor(), redis::options{server.url()}};
    server.stall();
    std::vector<std::string> command{"PING"};
    asio::co_spawn(context, client.command(std::move(command)),
                   [&](std::exception_ptr, redis::outcome o) { called = text(o); });
    const std::string_view ping[] = {"PING"};
    client.post_command(ping, [&](redis::outcome o) { posted = text(o); });
    context.run_for(10ms);
    CHECK(called.empty());
  }
  context.restart();
  context.run_for(1s);
  CHECK(called == "(unavailable)");
  CHECK(posted == "(unavailable)");
}

}  // namespace redis_client_test
