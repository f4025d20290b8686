#include "coffer/app/command_line.hpp"

#include <fstream>
#include <map>

#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

namespace app_command_line_test {

using namespace coffer;

namespace {

app::command parse(std::vector<std::string> arguments, std::map<std::string, std::string> env = {},
                   const std::string& service_file = "/nowhere") {
  app::process_environment process;
  process.service_file = service_file;
  process.value = [&env](const char* name) {
    const auto found = env.find(name);
    return found == env.end() ? std::nullopt : std::optional{found->second};
  };
  process.names = [&env] {
    std::vector<std::string> names;
    for (const auto& [name, value] : env) {
      names.push_back(name);
    }
    return names;
  };
  process.set = [&env](const std::string& name, const std::string& value) { env[name] = value; };
  return app::parse_command_line(std::move(arguments), process);
}

/// The command of that kind; fails the test, with what was printed, when it is another.
template <typename Command>
Command parsed_as(std::vector<std::string> arguments, std::map<std::string, std::string> env = {}) {
  app::command got = parse(std::move(arguments), std::move(env));
  if (const auto* page = std::get_if<app::print_and_exit>(&got)) {
    INFO(page->out << page->err);
    REQUIRE(std::holds_alternative<Command>(got));
  }
  REQUIRE(std::holds_alternative<Command>(got));
  return std::get<Command>(std::move(got));
}

/// The first line on stderr of a refused command line, whose exit code must be 2.
std::string refusal(std::vector<std::string> arguments, std::map<std::string, std::string> env = {}) {
  const auto page = parsed_as<app::print_and_exit>(std::move(arguments), std::move(env));
  CHECK(page.exit_code == 2);
  CHECK(page.out.empty());
  return page.err.substr(0, page.err.find('\n'));
}

std::string help_of(std::vector<std::string> arguments) {
  const auto page = parsed_as<app::print_and_exit>(std::move(arguments));
  CHECK(page.exit_code == 0);
  CHECK(page.err.empty());
  return page.out;
}

bool says(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("serve takes its settings from flags and variables") {
  const auto serve = parsed_as<app::serve_command>(
      {"serve", "--lanes", "2", "--listen=[::1]:9", "--allow-insecure-listen"}, {{"COFFER_THREADS", "3"}});
  CHECK(serve.how.lanes == 2);
  CHECK(serve.how.threads == 3);
  CHECK(serve.how.listen == "[::1]:9");
  CHECK(serve.how.allow_insecure_listen);
}

TEST_CASE("a wrong value on the command line or in the environment is a usage error") {
  CHECK(refusal({"serve", "--lanes", "-1"}) ==
        "coffer: --lanes '-1' is not valid: it must be a whole number from 1 to 32");
  CHECK(refusal({"serve"}, {{"COFFER_MAX_BODY", "1"}}) ==
        "coffer: the environment variable COFFER_MAX_BODY '1' is not valid: it must be a number of bytes from 1KiB to"
        " 1MiB, such as 4096 or 16KiB");
  CHECK(says(refusal({"serve", "--listen", "0.0.0.0:80"}), "--allow-insecure-listen"));
  CHECK(says(refusal({"migrate", "up"}, {{"DATABASE_URL", "nonsense"}}), "DATABASE_URL is not valid"));
}

TEST_CASE("migrate's commands are told apart and know their options") {
  using action = app::migrate_command::action;
  const auto up = parsed_as<app::migrate_command>({"migrate", "up", "--lock-timeout", "30s"},
                                                  {{"DATABASE_URL", "postgresql://h/d"}});
  CHECK(up.what == action::up);
  CHECK(up.database_url == "postgresql://h/d");
  CHECK(up.folder.empty());
  CHECK(up.lock_timeout == std::chrono::seconds{30});
  CHECK(!up.accept_changed);
  CHECK(parsed_as<app::migrate_command>({"migrate", "up", "--accept-changed", "--dir", "m"}).folder == "m");

  CHECK(parsed_as<app::migrate_command>({"migrate", "down"}).steps == 1U);
  CHECK(parsed_as<app::migrate_command>({"migrate", "down", "--steps", "3"}).steps == 3U);
  CHECK(!parsed_as<app::migrate_command>({"migrate", "down", "--all"}).steps);
  CHECK(parsed_as<app::migrate_command>({"migrate", "status", "--exit-code"}).exit_code);
  const auto created = parsed_as<app::migrate_command>({"migrate", "new", "add_stock"});
  CHECK(created.what == action::create);
  CHECK(created.name == "add_stock");
  CHECK(created.folder == "migrations");

  CHECK(refusal({"migrate", "down", "--steps", "0"}) ==
        "coffer: --steps '0' is not valid: it must be a whole number from 1 to 1000");
  CHECK(refusal({"migrate", "down", "--all", "--steps", "1"}) == "coffer: --all and --steps exclude each other");
  CHECK(says(refusal({"migrate", "up", "--lock-timeout", "5"}), "a duration from 0s to 1d"));
  CHECK(refusal({"migrate", "new"}) == "coffer: name is required");
  CHECK(refusal({"migrate"}) == "coffer: a command is missing");
}

TEST_CASE("the health check asks the configured address over the loopback") {
  CHECK(parsed_as<app::healthcheck_command>({"healthcheck"}).url == "http://127.0.0.1:8080/readyz");
  CHECK(parsed_as<app::healthcheck_command>({"healthcheck"}, {{"COFFER_LISTEN", "0.0.0.0:90"}}).url ==
        "http://127.0.0.1:90/readyz");
  CHECK(parsed_as<app::healthcheck_command>({"healthcheck"}, {{"COFFER_LISTEN", "[::]:90"}}).url ==
        "http://[::1]:90/readyz");
  CHECK(parsed_as<app::healthcheck_command>({"healthcheck", "--url", "http://127.0.0.1:1/livez"}).url ==
        "http://127.0.0.1:1/livez");
}

TEST_CASE("seed prints text or JSON") {
  CHECK(!parsed_as<app::seed_command>({"seed"}).json);
  CHECK(parsed_as<app::seed_command>({"seed", "--format", "json"}).json);
  CHECK(refusal({"seed", "--format", "xml"}) == "coffer: --format 'xml' is not valid: it must be text or json");
}

TEST_CASE("an unknown command or option is named, with the one that may be meant") {
  CHECK(refusal({"serv"}) == "coffer: there is no command serv; did you mean serve?");
  CHECK(refusal({"frobnicate"}) == "coffer: there is no command frobnicate");
  CHECK(refusal({"migrate", "upp"}) == "coffer: there is no command upp; did you mean up?");
  CHECK(refusal({"serve", "--lane", "3"}) == "coffer: there is no option --lane; did you mean --lanes?");
  CHECK(refusal({"serve", "now"}) == "coffer: 'now' is one argument too many");
  CHECK(refusal({"serve", "--lanes"}) == "coffer: --lanes needs a value");
  CHECK(says(parsed_as<app::print_and_exit>({"migrate", "up", "x"}).err, "See `coffer migrate up --help`."));
}

TEST_CASE("a variable that is no setting ends the start and names the one that may be meant") {
  const auto refused = [](const char* name) {
    const std::string text = refusal({"serve"}, {{name, "user:10/1s"}});
    CHECK(refusal({"doctor"}, {{name, "user:10/1s"}}) == text);
    return text;
  };
  CHECK(refused("COFFER_LIMIT_PURCHASES") ==
        "coffer: the environment variable COFFER_LIMIT_PURCHASES is no setting; did you mean COFFER_LIMIT_PURCHASE?");
  CHECK(says(refused("COFFER_PURCHASE_LIMIT"), "did you mean COFFER_LIMIT_PURCHASE?"));
  CHECK(says(refused("COFFER_TEST_KEY"), "did you mean COFFER_TEST_KEYS?"));
  CHECK(says(refused("COFFER_FROBNICATE"), "is no setting: `coffer serve --help` lists them all"));
  // Empty is unset, other commands have no use for it, other programs' variables are not ours.
  CHECK(says(refused("COFFER_PORT"), "is no setting"));
  parsed_as<app::serve_command>({"serve"}, {{"COFFER_PORT", "tcp://10.0.0.1:8080"}});
  for (const char* name :
       {"COFFER_STATE_DIR", "COFFER_SERVICE_HOST", "COFFER_SERVICE_PORT_HTTP", "COFFER_PORT_8080_TCP_ADDR",
        "COFFER_ADMIN_SERVICE_PORT", "LIMIT_PURCHASE", "coffer_lanes"}) {
    CAPTURE(name);
    parsed_as<app::serve_command>({"serve"}, {{name, "x"}});
  }
  parsed_as<app::serve_command>({"serve"}, {{"COFFER_FROBNICATE", ""}});
  parsed_as<app::seed_command>({"seed"}, {{"COFFER_FROBNICATE", "1"}});
}

TEST_CASE("doctor takes the service's own settings where nobody names a database") {
  const test::temporary_folder folder;
  const std::string path = (folder.path() / "environment").string();
  const std::string other = (folder.path() / "other").string();
  std::ofstream{path} << "DATABASE_URL=postgresql://service/d\nCOFFER_LANES=3\n";
  std::ofstream{other} << "DATABASE_URL=postgresql://other/d\n";
  const auto asked = [&](const std::vector<std::string>& flags, const std::map<std::string, std::string>& env,
                         const std::string& file) {
    std::vector<std::string> arguments{"doctor"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    return std::get<app::doctor_command>(parse(arguments, env, file));
  };
  const auto by_itself = asked({"--threads", "2"}, {}, path);
  CHECK(by_itself.how.database_url == "postgresql://service/d");
  CHECK(by_itself.how.lanes == 3);
  CHECK(by_itself.how.threads == 2);
  CHECK(by_itself.source.file == path);
  for (const auto& named : {asked({"--database-url", "postgresql://flag/d"}, {}, path),
                            asked({}, {{"DATABASE_URL", "postgresql://variable/d"}}, path)}) {
    CHECK(named.how.lanes == app::settings{}.lanes);
    CHECK(named.source.file.empty());
  }
  const auto told = asked({"--env-file", other}, {}, path);
  CHECK(told.how.database_url == "postgresql://other/d");
  CHECK(told.source.file == other);
  const auto none = asked({}, {}, "/nowhere");
  CHECK(none.source.file.empty());
  CHECK(none.source.trouble.empty());
  // Somebody who may not read it: a folder cannot be read as a file by anybody.
  const auto closed = asked({}, {}, folder.path().string());
  CHECK(closed.source.file.empty());
  CHECK(says(closed.source.trouble, "not those of the service: " + folder.path().string() + " cannot be read"));
}

TEST_CASE("--env-file stands behind the environment, which stands behind flags, in every command") {
  const test::temporary_folder folder;
  const std::string path = (folder.path() / "environment").string();
  std::ofstream{path} << "DATABASE_URL=postgresql://file/d\nCOFFER_LANES=3\nCOFFER_THREADS=4\nPGPASSWORD='a b'\n";
  const auto serve = parsed_as<app::serve_command>({"serve", "--env-file", path, "--threads", "5"},
                                                   {{"COFFER_LANES", "2"}, {"COFFER_THREADS", ""}});
  CHECK(serve.how.database_url == "postgresql://file/d");
  CHECK(serve.how.lanes == 2);
  CHECK(serve.how.threads == 5);
  CHECK(parsed_as<app::doctor_command>({"doctor", "--env-file", path}).how.lanes == 3);
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"migrate", "up"}, {"migrate", "down"}, {"migrate", "status"}}) {
    auto arguments = command;
    arguments.insert(arguments.end(), {"--env-file", path});
    CHECK(parsed_as<app::migrate_command>(arguments).database_url == "postgresql://file/d");
  }
  CHECK(parsed_as<app::seed_command>({"seed", "--env-file", path}).database_url == "postgresql://file/d");
  CHECK(parsed_as<app::verify_command>({"verify", "--env-file", path}).database_url == "postgresql://file/d");
  CHECK(parsed_as<app::key_command>({"key", "list", "--env-file", path}).database_url == "postgresql://file/d");
  std::ofstream{path} << "COFFER_LISTEN=127.0.0.1:7\n";
  CHECK(parsed_as<app::healthcheck_command>({"healthcheck", "--env-file", path}).url == "http://127.0.0.1:7/readyz");

  std::ofstream{path} << "COFFER_LIMIT_USES=user:1/1s\n";
  CHECK(
      says(refusal({"serve", "--env-file", path}), "COFFER_LIMIT_USES is no setting; did you mean COFFER_LIMIT_USE?"));
  std::ofstream{path} << "# a comment\nDATABASE_URL postgresql://me:geheim@h/d\n";
  const std::string malformed = refusal({"seed", "--env-file", path});
  CHECK(says(malformed, "has in line 2 something else than NAME=VALUE"));
  CHECK(!says(malformed, "geheim"));
  CHECK(says(refusal({"serve", "--env-file", "/nowhere"}), "--env-file '/nowhere' cannot be read: No such file"));
  CHECK(says(refusal({"serve", "--env-file", "/"}), "--env-file '/' cannot be read"));
}

TEST_CASE("without a command the help is shown as a usage error") {
  const auto page = parsed_as<app::print_and_exit>({});
  CHECK(page.exit_code == 2);
  CHECK(says(page.err, "Usage: coffer"));
}

TEST_CASE("the help lists the commands, examples and exit codes") {
  const std::string help = help_of({"--help"});
  CHECK(help_of({"--version"}).starts_with("coffer 0."));
  for (const char* part : {"serve", "migrate", "seed", "verify", "doctor", "key", "healthcheck", "version",
                           "Examples:", "coffer migrate up", "Exit codes: 0 done, 1 failed", "2 wrong usage"}) {
    CAPTURE(part);
    CHECK(says(help, part));
  }
}

TEST_CASE("key makes, lists and revokes") {
  const auto made = parsed_as<app::key_command>(
      {"key", "create", "--name", "shop", "--scopes", "purchases:write admin", "--expires-in", "90d", "--test"});
  CHECK(made.what == app::key_command::action::create);
  CHECK(made.wanted.name == "shop");
  CHECK(made.wanted.scopes ==
        coffer::auth::scope_set{coffer::auth::scope::purchases_write, coffer::auth::scope::admin});
  CHECK(made.wanted.valid_for == std::chrono::hours{24 * 90});
  CHECK(made.wanted.is_test);
  std::string cyrillic;
  for (int i = 0; i < 100; ++i) {
    cyrillic += "щ";
  }
  CHECK(parsed_as<app::key_command>({"key", "create", "--name", cyrillic, "--scopes", "admin"}).wanted.name ==
        cyrillic);
  CHECK(parsed_as<app::key_command>({"key", "list", "--format", "json"}).json);
  CHECK(parsed_as<app::key_command>({"key", "revoke", "3"}).id == 3);
  CHECK(says(help_of({"key", "--help"}), "coffer key create --name"));
}

TEST_CASE("key refuses what it cannot mean") {
  const auto create = [](std::vector<std::string> more) {
    more.insert(more.begin(), {"key", "create"});
    return refusal(std::move(more));
  };
  CHECK(refusal({"key"}) == "coffer: a command is missing");
  CHECK(says(create({"--name", "a"}), "--scopes is required"));
  // The rule is that of POST /keys.
  for (const std::string& name : {std::string{}, std::string(101, 'a'), std::string{"two\nlines"}, std::string{"a\x7f"},
                                  std::string{"not UTF-8: \xff"}}) {
    CAPTURE(name);
    CHECK(create({"--name", name, "--scopes", "admin"}) ==
          "coffer: --name is not valid: it must have 1 to 100 characters, no control characters");
  }
  CHECK(says(create({"--name", "a", "--scopes", "buy"}),
             "--scopes 'buy' is not valid: 'buy' is none of purchases:write"));
  CHECK(says(create({"--name", "a", "--scopes", "admin", "--expires-in", "0s"}), "--expires-in '0s' is not valid"));
  CHECK(says(refusal({"key", "revoke", "0"}), "id '0' is not valid"));
  CHECK(says(refusal({"key", "list", "--format", "xml"}), "--format 'xml' is not valid"));
}

TEST_CASE("doctor takes the settings of serve and a format") {
  const auto how = parsed_as<app::doctor_command>({"doctor", "--threads", "3", "--format", "json"});
  CHECK(how.how.threads == 3);
  CHECK(how.json);
  CHECK(refusal({"doctor", "--format", "xml"}) == "coffer: --format 'xml' is not valid: it must be text or json");
}

TEST_CASE("verify takes one user and a format") {
  const auto all = parsed_as<app::verify_command>({"verify", "--database-url", "postgresql://h/d"});
  CHECK(all.database_url == "postgresql://h/d");
  CHECK(!all.user);
  CHECK(!all.json);
  const auto one = parsed_as<app::verify_command>({"verify", "--user", "42", "--format", "json"});
  CHECK(one.user == 42);
  CHECK(one.json);
  CHECK(refusal({"verify", "--user", "x"}) ==
        "coffer: --user 'x' is not valid: it must be a whole number from 1 to 9007199254740991");
  CHECK(refusal({"verify", "--format", "xml"}) == "coffer: --format 'xml' is not valid: it must be text or json");
  CHECK(says(help_of({"verify", "--help"}), "3 they could not be read"));
}

TEST_CASE("the cache is cleared where the server's own settings say it is") {
  const auto made = parsed_as<app::cache_clear_command>({"cache", "clear", "--redis-prefix", "shop:"},
                                                        {{"REDIS_URL", "rediss://cache.example"}});
  CHECK(made.how.redis_url == "rediss://cache.example");
  CHECK(made.how.redis_prefix == "shop:");
  CHECK(says(refusal({"cache"}), "a command is missing"));
  CHECK(says(refusal({"cache", "clear", "--redis-prefix", ""}), "--redis-prefix '' is not valid"));
}

TEST_CASE("serve's help names every flag, range, variable and default") {
  const std::string help = help_of({"serve", "--help"});
  for (const app::setting_spec& spec : app::setting_specs()) {
    CAPTURE(spec.flag);
    CHECK(says(help, std::string{spec.flag} + (spec.is_switch ? "" : " " + spec.shape)));
    CHECK(says(help, std::string{spec.variable} + ", default " + spec.show(app::settings{})));
    CHECK(says(help, spec.help));
  }
  CHECK(says(help, "Examples:"));
  CHECK(says(help_of({"migrate", "--help"}), "dbmate"));
  CHECK(says(help_of({"migrate", "down", "--help"}), "Usage: coffer migrate down"));
  CHECK(says(help_of({"seed", "--help"}), "DATABASE_URL"));
  CHECK(says(help_of({"healthcheck", "--help"}), "COFFER_LISTEN"));
}

}  // namespace app_command_line_test
