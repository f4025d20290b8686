#include "coffer/app/settings.hpp"

#include <fstream>
#include <map>
#include <set>

#include "coffer/app/env_file.hpp"
#include "coffer/app/settings_values.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

namespace app_settings_test {

using namespace coffer;
using namespace std::chrono_literals;

namespace {

using texts = std::map<std::string, std::string>;

std::function<std::optional<std::string>(const char*)> lookup(texts values) {
  return [values = std::move(values)](const char* name) {
    const auto found = values.find(name);
    return found == values.end() ? std::nullopt : std::optional{found->second};
  };
}

std::expected<app::settings, std::string> resolve(texts flags, texts env = {}) {
  return app::resolve_settings(lookup(std::move(flags)), lookup(std::move(env)));
}

std::string complaint(texts flags, texts env = {}) {
  const auto resolved = resolve(std::move(flags), std::move(env));
  return resolved ? "" : resolved.error();
}

bool says(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("every setting takes the ends of its range and refuses what lies beyond") {
  for (const app::setting_spec& spec : app::setting_specs()) {
    CAPTURE(spec.flag);
    app::settings s;
    for (const std::string& inside : {spec.lowest, spec.highest}) {
      if (!inside.empty()) {
        CAPTURE(inside);
        CHECK(spec.set(s, inside).has_value());
        CHECK(spec.show(s) == inside);
      }
    }
    const std::string before = spec.show(s);
    for (const std::string& outside : {spec.below, spec.above, std::string{"\x01"}}) {
      if (!outside.empty()) {
        CAPTURE(outside);
        const auto refused = spec.set(s, outside);
        REQUIRE(!refused.has_value());
        CHECK(!refused.error().empty());
        CHECK(spec.show(s) == before);
      }
    }
  }
}

TEST_CASE("every setting's default is valid and can be written as a value") {
  app::settings s;
  for (const app::setting_spec& spec : app::setting_specs()) {
    CAPTURE(spec.flag);
    CHECK(spec.set(s, spec.show(app::settings{})).has_value());
    CHECK(spec.show(s) == spec.show(app::settings{}));
  }
  CHECK(resolve({}).has_value());
}

TEST_CASE("every setting has a flag, a variable and a help of its own") {
  std::set<std::string> flags;
  std::set<std::string> variables;
  for (const app::setting_spec& spec : app::setting_specs()) {
    CAPTURE(spec.flag);
    CHECK(flags.insert(spec.flag).second);
    CHECK(variables.insert(spec.variable).second);
    CHECK(!std::string{spec.help}.empty());
    CHECK(!spec.shape.empty());
    // The variable is the flag in capitals behind COFFER_, but for the two that other programs know.
    std::string name = "COFFER";
    for (const char c : std::string{spec.flag}.substr(1)) {
      name += c == '-' ? '_' : static_cast<char>(c - 'a' + 'A');
    }
    const std::string shared = name.substr(std::string{"COFFER_"}.size());
    CHECK((spec.variable == name || (spec.variable == shared && spec.is_secret)));
  }
}

TEST_CASE("a flag wins over its variable, and that over the default") {
  CHECK(resolve({})->lanes == 2);
  CHECK(resolve({}, {{"COFFER_LANES", "8"}})->lanes == 8);
  CHECK(resolve({{"--lanes", "16"}}, {{"COFFER_LANES", "8"}})->lanes == 16);
  CHECK(resolve({{"--lanes", "16"}}, {{"COFFER_LANES", "wrong but not looked at"}})->lanes == 16);
  CHECK(resolve({}, {{"COFFER_LANES", ""}})->lanes == 2);
  CHECK(resolve({}, {{"DATABASE_URL", "postgresql://x/y"}})->database_url == "postgresql://x/y");
}

TEST_CASE("values reach their settings with their units") {
  const auto s = resolve({{"--request-timeout", "700ms"},
                          {"--max-body", "64KiB"},
                          {"--cache-reset-at", "23:05"},
                          {"--cache-ttl", "2m"},
                          {"--log-level", "warn"},
                          {"--log-format", "text"},
                          {"--prepared", "off"},
                          {"--admin-listen", "none"},
                          {"--redis-url", "none"},
                          {"--max-deposit", "5"}});
  REQUIRE(s.has_value());
  CHECK(s->http.request_time == 700ms);
  CHECK(s->http.body == 65536);
  CHECK(s->cache_reset_at == 1385min);
  CHECK(s->cache_ttl == 120s);
  CHECK(s->log_level == log::level::warn);
  CHECK(s->log_format == log::format::text);
  CHECK(!s->prepared);
  CHECK(s->admin_listen.empty());
  CHECK(s->redis_url.empty());
  CHECK(s->max_deposit == 5);
}

TEST_CASE("a wrong value is named with its source and what is allowed") {
  CHECK(complaint({{"--lanes", "33"}}) == "--lanes '33' is not valid: it must be a whole number from 1 to 32");
  CHECK(complaint({}, {{"COFFER_LANES", "33"}}) ==
        "the environment variable COFFER_LANES '33' is not valid: it must be a whole number from 1 to 32");
  CHECK(complaint({{"--auth", "on"}}) == "--auth 'on' is not valid: it must be one of off|required");
  CHECK(says(complaint({{"--idle-timeout", "5"}}), "a duration from 100ms to 1h with its unit"));
  CHECK(says(complaint({{"--cache-ttl", "1500ms"}}), "a duration from 1s to 1d"));
  CHECK(says(complaint({{"--listen", "8080"}}), "an IP address and a port, such as 127.0.0.1:8080"));
  CHECK(says(complaint({{"--listen", "db.example:8080"}}), "an IP address and a port"));
}

TEST_CASE("a wrong URL is not repeated, because it holds the password") {
  const std::string text = complaint({}, {{"DATABASE_URL", "mysql://me:geheim@h/d"}});
  CHECK(says(text, "DATABASE_URL is not valid"));
  CHECK(!says(text, "geheim"));
  CHECK(!says(complaint({{"--redis-url", "http://:geheim@h"}}), "geheim"));
}

TEST_CASE("a secret may come from a file, which is read without the white space around it") {
  const test::temporary_folder folder;
  const std::string path = (folder.path() / "secret").string();
  std::ofstream{path} << "\n postgresql://me:geheim@h/d \n";
  CHECK(resolve({}, {{"DATABASE_URL_FILE", path}})->database_url == "postgresql://me:geheim@h/d");
  CHECK(resolve({{"--database-url", "postgresql://x/y"}}, {{"DATABASE_URL_FILE", path}})->database_url ==
        "postgresql://x/y");
  CHECK(complaint({}, {{"DATABASE_URL_FILE", path}, {"DATABASE_URL", "postgresql://x/y"}}) ==
        "the environment variables DATABASE_URL and DATABASE_URL_FILE are both set: unset one");
  CHECK(resolve({}, {{"DATABASE_URL_FILE", path}, {"DATABASE_URL", ""}})->database_url == "postgresql://me:geheim@h/d");
  const std::string wrong = complaint({}, {{"REDIS_URL_FILE", path}});
  CHECK(says(wrong, "what the file '" + path + "' (REDIS_URL_FILE) holds is not valid"));
  CHECK(!says(wrong, "geheim"));
  std::ofstream{path} << "none";
  CHECK(resolve({}, {{"REDIS_URL_FILE", path}})->redis_url.empty());
  std::ofstream{path} << " \n";
  CHECK(complaint({}, {{"DATABASE_URL_FILE", path}}) == "the file '" + path + "' (DATABASE_URL_FILE) is empty");
  std::ofstream{path} << std::string(70'000, 'x');
  CHECK(says(complaint({}, {{"DATABASE_URL_FILE", path}}), "has more than 64 KiB"));
  CHECK(says(complaint({}, {{"DATABASE_URL_FILE", "/nowhere"}}), "cannot be read: No such file"));
}

TEST_CASE("a file of variables is read as systemd reads it") {
  using pairs = std::vector<std::pair<std::string, std::string>>;
  const auto all = app::parse_env_file(
      "# comment\n ; another\n\nPLAIN=a b  \r\n  SPACED=  x\nEMPTY=\nSINGLE='a \\ \" #'\n"
      "DOUBLE=\"say \\\"hi\\\" \\\\ \\$x \\n\"\nINNER=it's\nESCAPED=a\\ b\\\nc\nTWO='a' \"b\"\nEQUALS=k=v&w=1#2\n"
      "TAIL=last");
  REQUIRE(all.has_value());
  CHECK(*all == pairs{{"PLAIN", "a b"},
                      {"SPACED", "x"},
                      {"EMPTY", ""},
                      {"SINGLE", "a \\ \" #"},
                      {"DOUBLE", "say \"hi\" \\ $x \\n"},
                      {"INNER", "it's"},
                      {"ESCAPED", "a bc"},
                      {"TWO", "ab"},
                      {"EQUALS", "k=v&w=1#2"},
                      {"TAIL", "last"}});
  for (const char* text : {"export A=1", "A B=1", "=1", "1A=1", "A", "A=1\nnonsense\n"}) {
    CAPTURE(text);
    CHECK(!app::parse_env_file(text).has_value());
  }
  CHECK(app::parse_env_file("A=1\nB=\"open\nC=2").error() ==
        "has a quote that is not closed in the value of B, line 2");
  CHECK(app::parse_env_file("").value().empty());
}

TEST_CASE("timeouts nest, and those not given follow the outer one down") {
  const auto s = resolve({{"--request-timeout", "300ms"}});
  REQUIRE(s.has_value());
  CHECK(s->database_statement_timeout == 300ms);
  CHECK(s->database_lock_timeout == 300ms);
  CHECK(complaint({{"--request-timeout", "1s"}}, {{"COFFER_DATABASE_STATEMENT_TIMEOUT", "3s"}}) ==
        "--database-statement-timeout (3s) must not be longer than --request-timeout (1s)");
  CHECK(complaint({{"--database-lock-timeout", "3s"}}) ==
        "--database-lock-timeout (3s) must not be longer than --database-statement-timeout (2s)");
}

TEST_CASE("without keys only the loopback is listened on, unless that is allowed") {
  for (const char* inside : {"127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "localhost:1"}) {
    CAPTURE(inside);
    CHECK(complaint({{"--listen", inside}}).empty());
  }
  for (const char* outside :
       {"0.0.0.0:1", "[::]:1", "10.0.0.1:1", "128.0.0.1:1", "[fe80::1]:1", "[::ffff:10.0.0.1]:1"}) {
    CAPTURE(outside);
    const std::string text = complaint({{"--listen", outside}});
    CHECK(says(text, outside));
    CHECK(says(text, "COFFER_ALLOW_INSECURE_LISTEN=1"));
    CHECK(complaint({{"--listen", outside}, {"--allow-insecure-listen", "on"}}).empty());
    CHECK(complaint({{"--listen", outside}}, {{"COFFER_ALLOW_INSECURE_LISTEN", "1"}}).empty());
    CHECK(!complaint({{"--listen", outside}}, {{"COFFER_ALLOW_INSECURE_LISTEN", "0"}}).empty());
  }
}

TEST_CASE("with keys required any address may be listened on, and guesses are limited") {
  const auto s = resolve({{"--auth", "required"}, {"--listen", "0.0.0.0:1"}});
  REQUIRE(s.has_value());
  CHECK(coffer::limit::to_string(s->limit_credentials) == "address:60/1m");
  CHECK(coffer::limit::to_string(resolve({})->limit_credentials) == "none");
  CHECK(coffer::limit::to_string(
            resolve({{"--auth", "required"}, {"--limit-credentials", "none"}})->limit_credentials) == "none");
  CHECK(says(complaint({{"--limit-credentials", "user:1/1s"}}), "per address alone"));
}

TEST_CASE("tokens need required keys, an issuer and an audience") {
  const texts all = {{"--auth", "required"}, {"--jwt-keys", "f"}, {"--jwt-issuer", "i"}, {"--jwt-audience", "a"}};
  CHECK(complaint(all).empty());
  for (const auto& [flag, value] : all) {
    texts some = all;
    some.erase(flag);
    CAPTURE(flag);
    CHECK(complaint(some).empty() == (flag == "--jwt-keys"));
  }
  CHECK(says(complaint({{"--jwt-keys", "f"}}), "--jwt-keys (COFFER_JWT_KEYS) needs --auth required"));
  CHECK(resolve({{"--jwt-algorithms", "HS256,EdDSA"}})->jwt_algorithms ==
        std::vector{coffer::auth::algorithm::hs256, coffer::auth::algorithm::eddsa});
  CHECK(says(complaint({{"--jwt-algorithms", "none"}}), "a list of HS256, ES256, EdDSA and RS256"));
}

TEST_CASE("durations and sizes are read with their unit and written as short as possible") {
  CHECK(app::parse_duration("0s") == 0ms);
  CHECK(app::parse_duration("90m") == 90min);
  for (const char* wrong : {"", "5", "s", "-1s", "1.5s", "5 s", "5sec", "99999999999d", "9223372036854775807d"}) {
    CAPTURE(wrong);
    CHECK(!app::parse_duration(wrong));
  }
  CHECK(app::format_duration(90min) == "90m");
  CHECK(app::format_duration(1500ms) == "1500ms");
  CHECK(app::parse_size("16KiB") == 16384U);
  CHECK(app::parse_size("100") == 100U);
  for (const char* wrong : {"", "KiB", "16kb", "-1", "9007199254740993", "99999999999MiB"}) {
    CAPTURE(wrong);
    CHECK(!app::parse_size(wrong));
  }
  CHECK(app::format_size(16384) == "16KiB");
  CHECK(app::format_size(16385) == "16385");
  CHECK(app::parse_time_of_day("23:59") == 23h + 59min);
  CHECK(app::parse_time_of_day("00:00:07") == 7s);
  for (const char* wrong : {"", "24:00", "12:60", "1:00", "12.00", "12:0x", "::::1", "12:000", "12:00:60", "12:00:0",
                            "12:00.00", "-1:00", "12:00:000"}) {
    CAPTURE(wrong);
    CHECK(!app::parse_time_of_day(wrong));
  }
}

TEST_CASE("pages may only be let in where requests need credentials") {
  CHECK(says(complaint({{"--cors-origins", "https://shop.example"}}), "needs --auth required"));
  CHECK(complaint({{"--cors-origins", "https://shop.example"}, {"--auth", "required"}}).empty());
  CHECK(complaint({{"--cors-origins", "none"}}).empty());
  CHECK(says(complaint({{"--cors-origins", "https://shop.example/"}, {"--auth", "required"}}),
             "--cors-origins 'https://shop.example/' is not valid: it must be origins with commas"));
}

TEST_CASE("a listen address is an IP address with a port and is written back the same") {
  for (const char* right : {"127.0.0.1:8080", "[::1]:0", "0.0.0.0:65535"}) {
    CAPTURE(right);
    REQUIRE(app::parse_listen_address(right).has_value());
    CHECK(app::parse_listen_address(right)->text() == right);
  }
  CHECK(app::parse_listen_address("localhost:80")->text() == "127.0.0.1:80");
  for (const char* wrong : {"", ":80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+1",
                            "::1:80", "[127.0.0.1]:80", "[::1]", "example.com:80", "127.0.0.1:80 "}) {
    CAPTURE(wrong);
    CHECK(!app::parse_listen_address(wrong));
  }
}

}  // namespace app_settings_test
