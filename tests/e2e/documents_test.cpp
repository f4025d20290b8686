// What the server says about itself to people and programs: /docs, /problems, and that no link leads nowhere.
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/server_process.hpp"
#include "support/shop.hpp"

using namespace coffer;

namespace {

const test::header_list browser = {{"Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}};

/// The second column of a report of `coffer doctor`: what was looked at.
std::vector<std::string> subjects(const std::string& report) {
  std::vector<std::string> all;
  std::istringstream lines{report};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words{line};
    std::string grade;
    std::string subject;
    words >> grade >> subject;
    if (grade == "ok" || grade == "warning" || grade == "failed") {
      all.push_back(subject);
    }
  }
  return all;
}

}  // namespace

TEST_CASE("the README's requests and replies are one session with a server that was just seeded") {
  const test::database db;
  REQUIRE(test::run_coffer({"seed"}, {{"DATABASE_URL", db.url()}}).exit_code == 0);
  const test::server_process server{db};
  std::vector<std::string> play{"python3", "-B", (test::source_root() / "script/lib/session.py").string(),
                                (test::source_root() / "README.md").string()};
  if (std::getenv("COFFER_TEST_WRITE_README") != nullptr) {  // NOLINT(concurrency-mt-unsafe): one thread
    play.emplace_back("--write");
  }
  const auto played = test::run(std::move(play), {{"COFFER_API", "http://127.0.0.1:" + std::to_string(server.port())}});
  INFO(played.out << played.err << "The replies that came are written into the README by\n"
                  << "  COFFER_TEST_WRITE_README=1 script/test --filter \"the README's requests*\" e2e");
  CHECK(played.exit_code == 0);
}

TEST_CASE("the README shows what doctor looks at") {
  const test::database db;
  const auto run = test::run_coffer({"doctor", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"},
                                    {{"DATABASE_URL", db.url()}, {"REDIS_URL", "none"}});
  std::ostringstream readme;
  readme << std::ifstream{test::source_root() / "README.md"}.rdbuf();
  const std::string text = readme.str();
  const std::size_t begin = text.find("coffer doctor  ");
  CHECK(subjects(text.substr(begin, text.find("A server with these settings", begin) - begin)) == subjects(run.out));
}

TEST_CASE("the page of the description comes with its files and may load nothing else") {
  test::shop s;
  const auto page = s.client.get("/docs", browser);
  REQUIRE(page.status == 200);
  CHECK(page.header("Content-Type") == "text/html; charset=utf-8");
  CHECK(page.header("Content-Security-Policy").value_or("").starts_with("default-src 'none'"));
  for (const auto& [path, type] : {std::pair{"/docs/docs.css", "text/css; charset=utf-8"},
                                   std::pair{"/docs/docs.js", "text/javascript; charset=utf-8"}}) {
    CAPTURE(path);
    CHECK(page.body.find(path) != std::string::npos);
    const auto file = s.client.get(path);
    CHECK(file.status == 200);
    CHECK(file.header("Content-Type") == type);
    const auto again = s.client.get(path, {{"If-None-Match", file.header("ETag").value_or("")}});
    CHECK(again.status == 304);
    CHECK(again.body.empty());
  }
  CHECK(page.body.find("http://") == std::string::npos);
  CHECK(page.body.find("https://") == std::string::npos);
  CHECK(s.client.request("HEAD", "/docs").header("Content-Length") == std::to_string(page.body.size()));
}

TEST_CASE("the root leads a browser to the documentation and tells programs what is where") {
  test::shop s;
  for (const char* path : {"/", "/v1/"}) {
    const auto led = s.client.get(path, browser);
    CHECK(led.status == 303);
    CHECK(led.header("Location") == "/docs");
    CHECK(led.header("Vary") == "Accept");
  }
  const auto index = s.client.get("/");
  CHECK(index.status == 200);
  CHECK(index.header("Content-Type") == "application/json");
  CHECK(index.header("Vary") == "Accept, Accept-Encoding");
  CHECK(index.json()["name"] == "coffer");
  for (const char* member : {"docs", "openapi", "problems", "health"}) {
    CAPTURE(member);
    CHECK(s.client.get(index.json()[member].text()).status == 200);
  }
  CHECK(s.client.get("/", {{"If-None-Match", index.header("ETag").value_or("")}}).status == 304);
  CHECK(s.client.post("/", "{}").status == 405);
}

TEST_CASE("the type of a problem leads to its explanation") {
  test::shop s;
  const auto refused = s.client.get("/users/999");
  const auto type = refused.json()["type"].text();
  const auto page = s.client.get(type, browser);
  REQUIRE(page.status == 200);
  CHECK(page.header("Content-Type") == "text/html; charset=utf-8");
  CHECK(page.header("Vary") == "Accept");
  CHECK(page.body.find("<h1>User not found</h1>") != std::string::npos);
  const auto same = s.client.get(type).json();
  CHECK(same["code"] == "user_not_found");
  CHECK(same["status"] == 404);
  CHECK(same["retry"] == "corrected");
  CHECK(same["example"]["type"] == type);
}

TEST_CASE("every problem is listed and explained in both forms") {
  test::shop s;
  const auto all = s.client.get("/problems").json();
  const auto page = s.client.get("/problems", browser);
  CHECK(page.status == 200);
  CHECK(all["items"].size() > 40);
  for (const auto& item : all["items"].elements()) {
    const auto& code = item["code"].text();
    CAPTURE(code);
    CHECK(page.body.find("/problems/" + code + "\"") != std::string::npos);
    CHECK(s.client.get("/problems/" + code, browser).body.find(code) != std::string::npos);
    CHECK(s.client.get("/v1/problems/" + code).json() == item);
    CHECK_FALSE(item["cause"].text().empty());
    CHECK_FALSE(item["advice"].text().empty());
  }
  const auto unknown = s.client.get("/problems/no_such_code", browser);
  CHECK(unknown.status == 404);
  CHECK(unknown.json()["code"] == "not_found");
}

TEST_CASE("the state of the server is shown to people, ready or not") {
  test::shop s;
  const auto health = s.client.get("/healthz");
  CHECK(health.status == 200);
  CHECK(health.json()["status"] == "ready");
  CHECK(health.json()["database"] == "up");
}
