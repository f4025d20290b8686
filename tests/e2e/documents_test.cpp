// What the server says about itself to people and programs: /docs, /problems, and that no link leads nowhere.
#include <algorithm>
#include <cctype>
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

std::string text_of(const char* document) {
  std::ostringstream text;
  text << std::ifstream{test::source_root() / document}.rdbuf();
  return text.str();
}

std::string local_url(std::uint16_t port) { return "http://127.0.0.1:" + std::to_string(port); }

/// Whether `text` has this method with this path, and not only with a longer one.
bool names(const std::string& text, const std::string& endpoint) {
  for (std::size_t at = text.find(endpoint); at != std::string::npos; at = text.find(endpoint, at + 1)) {
    const std::size_t end = at + endpoint.size();
    if (end == text.size() || std::string_view{" ,\n`."}.find(text[end]) != std::string_view::npos) {
      return true;
    }
  }
  return false;
}

}  // namespace

TEST_CASE("the requests and replies of README and API reference are each one session with a server just seeded") {
  for (const char* document : {"README.md", "docs/API.md"}) {
    CAPTURE(document);
    const test::database db;
    REQUIRE(test::run_coffer({"seed"}, {{"DATABASE_URL", db.url()}}).exit_code == 0);
    const test::server_process server{db};
    std::vector<std::string> play{"python3", "-B", (test::source_root() / "script/lib/session.py").string(),
                                  (test::source_root() / document).string()};
    if (std::getenv("COFFER_TEST_WRITE_REPLIES") != nullptr) {  // NOLINT(concurrency-mt-unsafe): one thread
      play.emplace_back("--write");
    }
    const auto played = test::run(
        std::move(play), {{"COFFER_API", local_url(server.port())}, {"COFFER_ADMIN", local_url(server.admin_port())}});
    INFO(played.out << played.err << "The replies that came are written into the documents by\n"
                    << "  COFFER_TEST_WRITE_REPLIES=1 script/test --filter 'the requests and replies of*' e2e");
    CHECK(played.exit_code == 0);
  }
}

TEST_CASE("README and API reference name every path of the API with its methods, and the reference every error code") {
  const test::database db;
  const test::server_process server{db};
  auto client = server.client();
  const std::string readme = text_of("README.md");
  const std::string reference = text_of("docs/API.md");
  const auto document = client.get("/openapi.json").json();
  for (const auto& [path, methods] : document["paths"].members()) {
    if (path.starts_with("/docs/")) {
      continue;  // what the page /docs loads
    }
    for (std::string method : methods.names()) {
      std::transform(method.begin(), method.end(), method.begin(),
                     [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
      CAPTURE(method, path);
      CHECK(names(readme, method + " " + path));
      CHECK(names(reference, method + " " + path));
    }
  }
  const auto problems = client.get("/problems").json();
  for (const auto& item : problems["items"].elements()) {
    CAPTURE(item["code"].text());
    CHECK(reference.find("`" + item["code"].text() + "`") != std::string::npos);
  }
}

TEST_CASE("the operations guide shows what doctor looks at") {
  const test::database db;
  const auto run = test::run_coffer({"doctor", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"},
                                    {{"DATABASE_URL", db.url()}, {"REDIS_URL", "none"}});
  const std::string text = text_of("docs/OPERATIONS.md");
  const std::size_t begin = text.find("## Doctor");
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
