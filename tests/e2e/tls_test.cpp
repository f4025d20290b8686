// HTTPS: the API over TLS, certificates that change, and everything that is not a handshake.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <thread>

#include <fmt/format.h>
#include <sys/socket.h>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/parallel.hpp"
#include "support/raw_request.hpp"
#include "support/shop.hpp"
#include "support/tls_link.hpp"

using namespace coffer;
using namespace std::chrono_literals;

namespace {

/// In the wire form of ALPN.
const std::string http_1_1 = "\x08http/1.1";
const std::string h2 = "\x02h2";

test::environment with(const test::certificate_files& files, test::environment more = {}) {
  more.emplace("COFFER_TLS_CERTIFICATE", files.certificate);
  more.emplace("COFFER_TLS_KEY", files.key);
  return more;
}

/// A server with a certificate, and clients that trust it alone.
struct secured {
  explicit secured(test::environment extra = {}) : server{db, with(files, std::move(extra))} {
    server.speak(test::over_tls({.trusted = files.certificate}));
  }

  /// Whether so many handshakes have ended in that way. A client may know of an end before it is counted.
  bool handshakes(const std::string& outcome, int expected) const {
    const auto counted = [&] { return server.metric("coffer_tls_handshakes_total{outcome=\"" + outcome + "\"}"); };
    return test::eventually(2s, [&] { return counted() >= expected; }) && counted() == expected;
  }

  test::temporary_folder folder;
  test::certificate_files files = test::make_certificate(folder, "first");
  test::database db;
  test::server_process server;
};

/// The subject that a new connection is shown.
std::string subject_of(const test::server_process& server) {
  const auto facts = std::make_shared<test::tls_facts>();
  test::tls_wishes how{.into = facts};
  auto client = server.client();
  client.speak(test::over_tls(std::move(how)));
  client.connect();
  return facts->subject;
}

bool becomes(const test::server_process& server, const std::string& subject) {
  return test::eventually(5s, [&] { return subject_of(server) == subject; }, 25ms);
}

std::string why_not(test::http_client client, test::tls_wishes how) {
  client.speak(test::over_tls(std::move(how)));
  try {
    client.connect();
    client.get("/livez");
  } catch (const test::http_failure& failure) {
    return failure.what();
  }
  return "it was served";
}

void replace(const test::certificate_files& old, const test::certificate_files& by) {
  std::filesystem::copy_file(by.certificate, old.certificate, std::filesystem::copy_options::overwrite_existing);
  std::filesystem::copy_file(by.key, old.key, std::filesystem::copy_options::overwrite_existing);
}

}  // namespace

TEST_CASE("with a certificate the API is HTTPS, by TLS 1.3 and HTTP/1.1") {
  secured s;
  auto client = s.server.client();
  const auto facts = std::make_shared<test::tls_facts>();
  test::tls_wishes how{.trusted = s.files.certificate, .protocols = h2 + http_1_1, .into = facts};
  client.speak(test::over_tls(how));
  const auto user = test::make_user(client, 100);
  CHECK(facts->version == "TLSv1.3");
  CHECK(facts->protocol == "http/1.1");
  CHECK(facts->subject == "first");
  const auto product = test::make_product(client, "consumable", 7);
  CHECK(test::buy(client, user, product, 3).status == 201);
  CHECK(test::balance_of(client, user) == 79);
  CHECK(test::owned_units(client, user, product) == 3);
  CHECK(client.request("HEAD", "/products").status == 200);
  SECTION("several requests in one record, and one in many") {
    client.send_raw(
        "GET /livez HTTP/1.1\r\nHost: h\r\n\r\nGET /products HTTP/1.1\r\nHost: h\r\n\r\nGET /nowhere HTTP/1.1\r\n"
        "Host: h\r\n\r\n");
    CHECK(client.read_response().status == 200);
    CHECK(client.read_response().status == 200);
    CHECK(client.read_response().code() == "not_found");
    for (const char byte : test::raw_request("GET /livez")) {
      client.send_raw({&byte, 1});
    }
    CHECK(client.read_response().status == 200);
  }
  SECTION("TLS 1.2 too, and no protocol asked for") {
    auto older = s.server.client();
    const auto older_facts = std::make_shared<test::tls_facts>();
    older.speak(test::over_tls({.trusted = s.files.certificate, .newest = 0x0303, .into = older_facts}));
    CHECK(older.get("/products").status == 200);
    CHECK(older_facts->version == "TLSv1.2");
    CHECK(older_facts->protocol.empty());
  }
  SECTION("the farewell comes before the end, and a bad request gets its answer") {
    client.send_raw("GET /livez HTTP/1.1\r\n\r\n");
    CHECK(client.read_response().status == 400);
    auto last = s.server.client();
    last.send_raw(test::raw_request("GET /livez", {{"Connection", "close"}}));
    // Without a farewell reading would fail: OpenSSL tells a cut from an end.
    CHECK(last.read_to_end().starts_with("HTTP/1.1 200"));
  }
  CHECK(s.handshakes("failed", 0));
  CHECK(test::audit(s.db).empty());
}

TEST_CASE("a client may change its keys, but not without end") {
  secured s;
  auto client = s.server.client();
  client.speak(test::over_tls({.trusted = s.files.certificate, .key_updates = 50}));
  for (int i = 0; i < 100; ++i) {
    REQUIRE(client.get("/livez").status == 200);
  }
  auto flood = s.server.client();
  flood.speak(test::over_tls({.trusted = s.files.certificate, .key_updates = 100'000}));
  CHECK_THROWS_AS(flood.get("/livez"), test::http_failure);
  CHECK(client.get("/livez").status == 200);
}

TEST_CASE("large bodies go through TLS both ways, to a client that takes its time too") {
  secured s;
  auto client = s.server.client(30s);
  const auto user = test::make_user(client);
  constexpr int uploads = 6;
  constexpr int lines = 4000;
  for (int i = 0; i < uploads; ++i) {
    std::string body;
    for (int line = 0; line < lines; ++line) {
      body += fmt::format("{{\"idempotency_key\":\"{}-{}\",\"user_id\":{},\"credits\":1,\"reason\":\"event\"}}\n", i,
                          line, user);
    }
    const auto answer = client.request("POST", "/grants/bulk", {{"Content-Type", "application/x-ndjson"}}, body);
    REQUIRE(answer.status == 200);
    INFO(answer.body.substr(answer.body.size() - 300));
    REQUIRE(answer.body.find(fmt::format("\"granted\":{}", lines)) != std::string::npos);
  }
  CHECK(test::balance_of(client, user) == uploads * lines);
  const std::string path = fmt::format("/users/{}/statement", user);
  const auto at_once = client.get(path, {{"Accept", "text/csv"}});
  CHECK(std::count(at_once.body.begin(), at_once.body.end(), '\n') == uploads * lines + 1);
  const int small = 65'536;
  ::setsockopt(client.native(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  client.send_raw(test::raw_request("GET " + path, {{"Accept", "text/csv"}}));
  std::this_thread::sleep_for(500ms);
  CHECK(client.read_response().body == at_once.body);
  CHECK(test::audit(s.db).empty());
}

TEST_CASE("what is no handshake is refused, told where that helps, and counted") {
  secured s{{{"COFFER_HEADER_TIMEOUT", "300ms"}, {"COFFER_LOG_LEVEL", "debug"}}};
  SECTION("HTTP without TLS hears what is wrong") {
    test::http_client plain{s.server.port()};
    const auto answer = plain.get("/products");
    CHECK(answer.status == 400);
    CHECK(answer.code() == "malformed_request");
    CHECK(answer.header("Connection") == "close");
    CHECK(answer.body.find("https") != std::string::npos);
    CHECK(s.handshakes("plain", 1));
  }
  SECTION("noise is closed") {
    test::http_client noise{s.server.port()};
    noise.send_raw(std::string(64, '\x7f'));
    CHECK(noise.closed_within(5s));
    CHECK(s.handshakes("failed", 1));
    const auto line = s.server.wait_for_event("handshake failed");
    REQUIRE(line.has_value());
    CHECK((*line)["message"].text().find("unknown") == std::string::npos);
  }
  SECTION("silence, and half a handshake, end with the time for a head") {
    test::http_client silent{s.server.port()};
    silent.connect();
    test::http_client half{s.server.port()};
    half.send_raw(std::string{"\x16\x03\x01\x02\x00\x01", 6});
    CHECK_FALSE(silent.closed_within(100ms));
    CHECK(silent.closed_within(5s));
    CHECK(half.closed_within(5s));
    CHECK(s.handshakes("timeout", 2));
  }
  SECTION("old versions and other protocols are refused") {
    CHECK(why_not(s.server.client(), {.trusted = {}, .newest = 0x0302, .protocols = {}}).starts_with("handshake: "));
    CHECK(why_not(s.server.client(), {.trusted = {}, .newest = 0, .protocols = h2}).find("no application protocol") !=
          std::string::npos);
    CHECK(s.handshakes("failed", 2));
  }
  auto client = s.server.client();
  CHECK(client.get("/products").status == 200);
  CHECK(s.handshakes("done", 1));
}

TEST_CASE("SIGHUP brings another certificate for new connections, and nothing that is broken") {
  secured s;
  auto client = s.server.client();
  CHECK(client.get("/products").status == 200);
  const double first_expiry = s.server.metric("coffer_tls_certificate_not_after_timestamp_seconds").value_or(0);
  CHECK(first_expiry > static_cast<double>(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now())));
  replace(s.files, test::make_certificate(s.folder, "second", 24h));
  s.server.signal(SIGHUP);
  CHECK(becomes(s.server, "second"));
  CHECK(s.server.metric("coffer_tls_certificate_not_after_timestamp_seconds").value_or(0) < first_expiry);
  SECTION("a connection that is open goes on") { CHECK(client.get("/products").status == 200); }
  SECTION("a certificate without its key leaves the one in force") {
    std::filesystem::copy_file(test::make_certificate(s.folder, "third").certificate, s.files.certificate,
                               std::filesystem::copy_options::overwrite_existing);
    s.server.signal(SIGHUP);
    const auto complaint = s.server.wait_for_event("certificate could not be reloaded");
    REQUIRE(complaint.has_value());
    CHECK((*complaint)["message"].text().find(s.files.key) != std::string::npos);
    CHECK(subject_of(s.server) == "second");
  }
}

TEST_CASE("certificates change under load without a failed request") {
  secured s{{{"COFFER_THREADS", "2"}}};
  const auto other = test::make_certificate(s.folder, "other");
  const auto first = test::make_certificate(s.folder, "again");
  s.server.speak(test::over_tls());
  auto setup = s.server.client();
  const auto user = test::make_user(setup, 1000);
  const auto product = test::make_product(setup, "consumable", 1);
  std::atomic<int> bought = 0;
  std::jthread changer{[&](const std::stop_token& stop) {
    for (int i = 0; !stop.stop_requested(); ++i) {
      replace(s.files, i % 2 == 0 ? other : first);
      s.server.signal(SIGHUP);
      std::this_thread::sleep_for(20ms);
    }
  }};
  test::parallel(8, [&](std::size_t) {
    for (int i = 0; i < 25; ++i) {
      auto client = s.server.client();
      bought += test::buy(client, user, product).status == 201 ? 1 : 0;
    }
  });
  changer.request_stop();
  changer.join();
  CHECK(bought == 200);
  CHECK(s.db.integer("select count(*) from transactions where kind = 2") == 200);
  CHECK(s.handshakes("failed", 0));
  CHECK(test::audit(s.db).empty());
}

TEST_CASE("a server that is told to end answers over TLS too, and does not wait for who never shakes hands") {
  secured s;
  auto busy = s.server.client();
  const auto user = test::make_user(busy, 1000);
  test::http_client silent{s.server.port()};
  silent.connect();
  busy.send_raw(test::raw_request(fmt::format("GET /users/{}", user)));
  const auto begin = std::chrono::steady_clock::now();
  CHECK(s.server.stop() == 0);
  CHECK(std::chrono::steady_clock::now() - begin < 5s);
  CHECK(busy.read_response().status == 200);
}

TEST_CASE("a server does not start with a certificate that it cannot use") {
  test::database db;
  const test::temporary_folder folder;
  const auto good = test::make_certificate(folder, "good");
  const auto other = test::make_certificate(folder, "other");
  const auto start = [&](const test::environment& extra) {
    test::environment env{
        {"DATABASE_URL", db.url()}, {"COFFER_LISTEN", "127.0.0.1:0"}, {"COFFER_ADMIN_LISTEN", "none"}};
    env.insert(extra.begin(), extra.end());
    return test::run_coffer({"serve"}, env);
  };
  const auto refused = [&](const test::certificate_files& files, const std::string& named) {
    const auto run = start(with(files));
    INFO(run.out << run.err);
    return run.exit_code == 1 && run.out.find(named) != std::string::npos;
  };
  CHECK(refused({folder.path() / "none", good.key}, "none: cannot be read as a PEM certificate chain (No such file"));
  CHECK(refused({good.certificate, other.key}, "other.key: "));
  CHECK(refused({good.certificate, other.key}, "(key values mismatch)"));
  CHECK(refused({good.certificate, folder.write("noise", "noise")}, "noise: cannot be read as a PEM key"));
  CHECK(refused({good.key, good.key}, "good.key: cannot be read as a PEM certificate chain (no start line)"));
  const auto alone = start({{"COFFER_TLS_CERTIFICATE", good.certificate}});
  CHECK(alone.exit_code == 2);
  CHECK(alone.err.find("--tls-key") != std::string::npos);
}

TEST_CASE("healthcheck and doctor know of TLS") {
  secured s;
  const auto env = [&](const test::certificate_files& files, const std::string& listen) {
    return with(files, {{"DATABASE_URL", s.db.url()}, {"REDIS_URL", "none"}, {"COFFER_LISTEN", listen}});
  };
  const std::string here = fmt::format("127.0.0.1:{}", s.server.port());
  const auto health = test::run_coffer({"healthcheck"}, env(s.files, here));
  CHECK(health.out.starts_with(fmt::format("https://{}/readyz: HTTP/1.1 200 OK: ready (database up, ", here)));
  CHECK(test::run_coffer({"healthcheck", "--url", "http://" + here + "/livez"}).exit_code == 1);
  const auto running = test::run_coffer({"doctor"}, env(s.files, here));
  CHECK(running.out.find(here + " is in use: a server answers there") != std::string::npos);
  CHECK(running.out.find("is good until") != std::string::npos);
  const auto over = test::run_coffer({"doctor"}, env(test::make_certificate(s.folder, "old", -1h), "127.0.0.1:0"));
  CHECK(over.out.find("expired at") != std::string::npos);
  CHECK(over.out.find("renew it, then send SIGHUP") != std::string::npos);
  const auto wrong = test::run_coffer({"doctor"}, env({s.files.key, s.files.key}, "127.0.0.1:0"));
  CHECK(wrong.exit_code == 1);
  CHECK(wrong.out.find("correct --tls-certificate and --tls-key") != std::string::npos);
  const auto exposed = test::run_coffer({"doctor", "--listen", "0.0.0.0:0", "--allow-insecure-listen"},
                                        {{"DATABASE_URL", s.db.url()}, {"REDIS_URL", "none"}});
  CHECK(exposed.out.find("can be read on the way") != std::string::npos);
}
