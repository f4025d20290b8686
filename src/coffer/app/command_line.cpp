#include "coffer/app/command_line.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "coffer/app/command_line_completion.hpp"
#include "coffer/app/command_line_key.hpp"
#include "coffer/app/command_line_suggest.hpp"
#include "coffer/app/env_file.hpp"
#include "coffer/app/settings_values.hpp"
#include "coffer/app/version.hpp"
#include "coffer/base/ids.hpp"

namespace coffer::app {

namespace {

/// What came on the command line for settings, by flag; those not given are not in it.
using given_flags = std::map<std::string, std::string>;

std::optional<std::string> flag_in(const given_flags& given, const char* flag) {
  const auto found = given.find(flag);
  return found == given.end() ? std::nullopt : std::optional{found->second};
}

/// Offers a setting to a subcommand. CLI11 only collects the text: range and source are the table's business.
void offer(CLI::App& where, const setting_spec& spec, given_flags& given) {
  std::string about = fmt::format("{}\n{}, default {}", spec.help, spec.variable, spec.show(settings{}));
  if (spec.is_secret) {
    about += fmt::format("; or {}_FILE, a file that holds it", spec.variable);
  }
  const std::string flag = spec.flag;
  if (spec.is_switch) {
    where.add_flag_function(flag, [&given, flag](std::int64_t) { given[flag] = "on"; }, about)->group(spec.group);
    return;
  }
  where
      .add_option_function<std::string>(
          flag, [&given, flag](const std::string& value) { given[flag] = value; }, about)
      ->type_name(spec.shape)
      ->group(spec.group);
}

/// A problem with the arguments that CLI11 did not see.
struct usage_error {
  std::string text;
};

/// One setting on its own, for commands that need few of them.
template <typename Member>
auto resolve_one(const char* flag, const given_flags& given, const variables& env, Member member) {
  settings s;
  const auto stored = apply_setting(s, find_setting(flag), flag_in(given, flag), env);
  if (!stored) {
    throw usage_error{stored.error()};
  }
  return s.*member;
}

constexpr const char* exit_codes = "Exit codes: 0 done, 1 failed (the reason is on stderr), 2 wrong usage.";

/// The parser with everything it writes into.
class parser {
 public:
  explicit parser(const process_environment& env) : process_{env}, env_{env.value} {
    app_.require_subcommand(1);
    app_.footer(fmt::format(
        "`coffer COMMAND --help` shows a command's options. A flag wins over its environment variable, that over"
        " --env-file,\nand that over the default.\n\nExamples:\n  coffer migrate up && coffer serve\n  "
        "DATABASE_URL=postgresql://... coffer seed"
        "\n\n{}",
        exit_codes));
    app_.get_formatter()->column_width(42);
    add_serve();
    add_migrate();
    add_seed();
    add_verify();
    add_doctor();
    add_healthcheck();
    add_cache();
    key_.emplace(app_, exit_codes, [this](CLI::App& where) { offer_database(where); });
    version_ = app_.add_subcommand("version", "Print the version");
    add_completion();
    app_.set_version_flag("--version", fmt::format("coffer {}\n", version_text));
  }
  parser(const parser&) = delete;
  parser& operator=(const parser&) = delete;

  command parse(std::vector<std::string> arguments) {
    // CLI11 takes them last first.
    std::ranges::reverse(arguments);
    try {
      app_.parse(std::move(arguments));
      take_env_file();
      return build();
    } catch (const CLI::CallForHelp&) {
      return print_and_exit{.exit_code = exit_ok, .out = app_.help(), .err = {}};
    } catch (const CLI::CallForVersion& e) {
      return print_and_exit{.exit_code = exit_ok, .out = e.what(), .err = {}};
    } catch (const CLI::ParseError& e) {
      return refuse(explain(e));
    } catch (const usage_error& e) {
      return refuse(e.text);
    }
  }

 private:
  void offer_env_file(CLI::App& where) {
    where
        .add_option("--env-file", env_file_,
                    "takes variables that are not set from there: NAME=VALUE lines, as systemd has them")
        ->type_name("FILE");
  }
  void offer_database(CLI::App& where) {
    offer(where, find_setting("--database-url"), given_);
    offer_env_file(where);
  }
  void take_env_file();
  settings_source take_service_file();
  void add_serve();
  void add_migrate();
  void add_seed();
  void add_verify();
  void add_doctor();
  void add_healthcheck();
  void add_cache();
  void add_completion();

  /// The innermost command that was named.
  [[nodiscard]] const CLI::App* chosen() const;
  [[nodiscard]] std::string explain(const CLI::ParseError& e) const;
  [[nodiscard]] print_and_exit refuse(const std::string& what) const;

  command build();
  migrate_command build_migrate();
  verify_command build_verify();
  std::string healthcheck_url();

  [[nodiscard]] bool wants_json() const {
    if (format_ != "text" && format_ != "json") {
      throw usage_error{fmt::format("--format '{}' is not valid: it must be text or json", format_)};
    }
    return format_ == "json";
  }
  [[nodiscard]] settings all_settings() const {
    if (auto known = check_variables(process_.names(), env_); !known) {
      throw usage_error{std::move(known.error())};
    }
    auto resolved = resolve_settings([this](const char* flag) { return flag_in(given_, flag); }, env_);
    if (!resolved) {
      throw usage_error{std::move(resolved.error())};
    }
    return std::move(*resolved);
  }
  [[nodiscard]] std::string database_url() const {
    return resolve_one("--database-url", given_, env_, &settings::database_url);
  }

  const process_environment& process_;
  const variables& env_;
  CLI::App app_{"An in-app currency and purchases server", "coffer"};
  CLI::App* serve_ = nullptr;
  CLI::App* migrate_ = nullptr;
  CLI::App* migrate_up_ = nullptr;
  CLI::App* migrate_down_ = nullptr;
  CLI::App* migrate_status_ = nullptr;
  CLI::App* migrate_new_ = nullptr;
  CLI::App* seed_ = nullptr;
  CLI::App* verify_ = nullptr;
  CLI::App* doctor_ = nullptr;
  CLI::App* healthcheck_ = nullptr;
  CLI::App* cache_clear_ = nullptr;
  CLI::App* version_ = nullptr;
  CLI::App* completion_ = nullptr;
  std::optional<key_arguments> key_;

  given_flags given_;
  std::string env_file_;
  migrate_command migrate_how_;
  std::string lock_timeout_ = "5s";
  bool all_ = false;
  std::string steps_;
  std::string format_ = "text";
  std::string user_;
  std::string metrics_file_;
  std::string url_;
};

/// Puts what the file of --env-file has into the environment, but for what is set there.
void parser::take_env_file() {
  if (env_file_.empty()) {
    return;
  }
  const auto refuse_file = [this](const std::string& why) {
    throw usage_error{fmt::format("--env-file '{}' {}", env_file_, why)};
  };
  const auto text = read_small_file(env_file_);
  if (!text) {
    refuse_file(text.error());
  }
  const auto all = parse_env_file(*text);
  if (!all) {
    refuse_file(all.error());
  }
  // Of several lines with one name the last counts, as everywhere.
  const std::map<std::string, std::string> last{all->rbegin(), all->rend()};
  for (const auto& [name, value] : last) {
    if (env_(name.c_str()).value_or("").empty()) {
      process_.set(name, value);
    }
  }
}

/// Whoever asks doctor about the service means the service's own settings. Not where a database is named: that is
/// another server's question.
settings_source parser::take_service_file() {
  const std::string& file = process_.service_file;
  const bool is_named = given_.contains("--database-url") || !env_("DATABASE_URL").value_or("").empty() ||
                        !env_("DATABASE_URL_FILE").value_or("").empty();
  std::error_code ignored;
  if (!env_file_.empty() || is_named || !std::filesystem::exists(file, ignored)) {
    return {.file = env_file_, .trouble = {}};
  }
  if (const auto text = read_small_file(file); !text) {
    return {.file = {}, .trouble = fmt::format("not those of the service: {} {}", file, text.error())};
  }
  env_file_ = file;
  take_env_file();
  return {.file = file, .trouble = {}};
}

const CLI::App* parser::chosen() const {
  const CLI::App* innermost = &app_;
  for (auto named = app_.get_subcommands(); !named.empty(); named = innermost->get_subcommands()) {
    innermost = named.front();
  }
  return innermost;
}

std::string parser::explain(const CLI::ParseError& e) const {
  const CLI::App* const where = chosen();
  const std::vector<std::string> extra = app_.remaining(true);
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&e) != nullptr) {
    const std::string text = e.what();
    return text.substr(0, text.find(':')) + " needs a value";
  }
  if (extra.empty()) {
    return dynamic_cast<const CLI::RequiredError*>(&e) != nullptr && !where->get_subcommands({}).empty()
               ? "a command is missing"
               : e.what();
  }
  std::vector<std::string> known;
  const auto option = std::ranges::find_if(extra, [](const std::string& text) { return text.starts_with('-'); });
  if (option != extra.end()) {
    for (const CLI::Option* each : where->get_options()) {
      known.push_back(each->get_name());
    }
    return fmt::format("there is no option {}{}", *option, suggestion(*option, known));
  }
  for (const CLI::App* each : where->get_subcommands({})) {
    known.push_back(each->get_name());
  }
  if (known.empty()) {
    return fmt::format("'{}' is one argument too many", extra.front());
  }
  return fmt::format("there is no command {}{}", extra.front(), suggestion(extra.front(), known));
}

print_and_exit parser::refuse(const std::string& what) const {
  std::string name;
  for (const CLI::App* each = chosen(); each != nullptr; each = each->get_parent()) {
    name = name.empty() ? each->get_name() : fmt::format("{} {}", each->get_name(), name);
  }
  return {.exit_code = exit_usage, .out = {}, .err = fmt::format("coffer: {}\nSee `{} --help`.\n", what, name)};
}

void parser::add_serve() {
  serve_ = app_.add_subcommand("serve", "Run the server");
  for (const setting_spec& spec : setting_specs()) {
    offer(*serve_, spec, given_);
  }
  offer_env_file(*serve_);
  serve_->footer(fmt::format(
      "SIGTERM and SIGINT end the server after the requests in flight; a second one ends it at once.\n\nExamples:\n"
      "  DATABASE_URL=postgresql://coffer@db/coffer REDIS_URL=redis://cache:6379/0 coffer serve\n"
      "  coffer serve --listen 127.0.0.1:9000 --threads 2 --lanes 8\n\n{}",
      exit_codes));
}

void parser::add_migrate() {
  migrate_ = app_.add_subcommand("migrate", "Bring the database schema up to date, undo it, or look at it");
  migrate_->require_subcommand(1);
  migrate_up_ = migrate_->add_subcommand("up", "Apply all pending migrations");
  migrate_down_ = migrate_->add_subcommand("down", "Undo the newest migration; refused while that would lose data");
  migrate_status_ = migrate_->add_subcommand("status", "List the migrations and whether they are applied");
  migrate_new_ = migrate_->add_subcommand("new", "Write an empty migration file");
  for (CLI::App* each : {migrate_up_, migrate_down_, migrate_status_}) {
    offer_database(*each);
    each->add_option("--dir", migrate_how_.folder, "use the files of this folder instead of those in the binary")
        ->type_name("FOLDER");
  }
  for (CLI::App* each : {migrate_up_, migrate_down_, migrate_status_, migrate_new_}) {
    each->footer(exit_codes);
  }
  for (CLI::App* each : {migrate_up_, migrate_down_}) {
    each->add_flag("--accept-changed", migrate_how_.accept_changed,
                   "accept files that were changed after they had been applied");
    each->add_option("--lock-timeout", lock_timeout_,
                     "how long a statement may wait for the service's locks, default 5s; 0s: no limit")
        ->type_name("0s..1d");
  }
  migrate_down_->add_flag("--all", all_, "undo every migration: nothing is left");
  migrate_down_->add_option("--steps", steps_, "undo so many, default 1")->type_name("1..1000");
  migrate_down_->add_flag(
      "--delete-data", migrate_how_.delete_data,
      "go on although rows, or what they mean, are lost; a terminal is asked for the database's name");
  migrate_status_->add_flag("--exit-code", migrate_how_.exit_code, "exit with 1 when something is pending");
  migrate_new_->add_option("--dir", migrate_how_.folder, "the folder, default migrations")->type_name("FOLDER");
  migrate_new_->add_option("name", migrate_how_.name, "what it does, as part of the file's name")
      ->type_name("")
      ->required();
  migrate_->footer(fmt::format(
      "The files have dbmate's format, and dbmate can run them too. Several runs at once are safe.\n\nExamples:\n"
      "  DATABASE_URL=postgresql://... coffer migrate up\n  coffer migrate status --exit-code\n"
      "  coffer migrate new add_stock\n\n{}",
      exit_codes));
}

void parser::add_seed() {
  seed_ = app_.add_subcommand("seed", "Add two example products and the user demo with 10000 credits");
  offer_database(*seed_);
  seed_->add_option("--format", format_, "what is printed, default text")->type_name("text|json");
  seed_->footer(fmt::format("Running it again adds nothing.\n\n{}", exit_codes));
}

void parser::add_verify() {
  verify_ = app_.add_subcommand("verify", "Prove that the books are right: replay the journal against what is stored");
  offer_database(*verify_);
  verify_->add_option("--user", user_, "this user's books only, default everybody's")->type_name("ID");
  verify_->add_option("--format", format_, "what is printed, default text")->type_name("text|json");
  verify_->add_option("--metrics-file", metrics_file_, "write the result there, for Prometheus' node exporter")
      ->type_name("FILE");
  verify_->footer(
      "It reads range by range, writes nothing to the database and may run beside busy servers or on a"
      " standby.\n\nExamples:\n  coffer verify\n"
      "  coffer verify --user 42 --format json\n\nExit codes: 0 the books are right, 1 they are wrong, 2 wrong usage,"
      " 3 they could not be read.");
}

void parser::add_doctor() {
  doctor_ = app_.add_subcommand("doctor", "Look at everything a server needs, and say what to do about what is wrong");
  for (const setting_spec& spec : setting_specs()) {
    offer(*doctor_, spec, given_);
  }
  offer_env_file(*doctor_);
  doctor_->add_option("--format", format_, "what is printed, default text")->type_name("text|json");
  doctor_->footer(
      "Takes the settings of `coffer serve` and changes nothing. Where no flag, variable or --env-file names a\n"
      "database, it reads the service's own /etc/coffer/environment.\n\nExamples:\n  coffer doctor\n"
      "  coffer doctor --listen 10.0.0.5:8080 --threads 4 --format json\n\nExit codes: 0 a server would serve (there "
      "may"
      " be warnings), 1 it would not, 2 wrong usage.");
}

void parser::add_healthcheck() {
  healthcheck_ = app_.add_subcommand("healthcheck", "Ask a running server whether it is ready (for containers)");
  offer(*healthcheck_, find_setting("--listen"), given_);
  offer(*healthcheck_, find_setting("--tls-certificate"), given_);
  offer_env_file(*healthcheck_);
  healthcheck_->add_option("--url", url_, "what to ask instead, default http://LISTEN/readyz, https with a certificate")
      ->type_name("http[s]://HOST:PORT/PATH");
  healthcheck_->footer(fmt::format("It waits for 2 s at most.\n\n{}", exit_codes));
}

void parser::add_cache() {
  CLI::App* const cache = app_.add_subcommand("cache", "Work on what servers keep in Redis");
  cache->require_subcommand(1);
  cache_clear_ = cache->add_subcommand("clear", "Drop the cached inventories and popular products, and nothing else");
  offer(*cache_clear_, find_setting("--redis-url"), given_);
  offer(*cache_clear_, find_setting("--redis-prefix"), given_);
  offer_env_file(*cache_clear_);
  cache_clear_->footer(fmt::format(
      "Needed after the database was restored to an earlier moment. Safe beside running servers; their own copies of "
      "the\npopular products last until --popular-ttl. Keys without the prefix, and the limits, stay as they "
      "are.\n\n{}",
      exit_codes));
}

void parser::add_completion() {
  completion_ = app_.add_subcommand("completion", "Print a script by which bash completes this command line");
  completion_->footer(
      "Examples:\n  source <(coffer completion)\n"
      "  coffer completion > /usr/share/bash-completion/completions/coffer");
}

migrate_command parser::build_migrate() {
  migrate_command how = migrate_how_;
  if (migrate_new_->parsed()) {
    how.what = migrate_command::action::create;
    how.folder = how.folder.empty() ? "migrations" : how.folder;
    return how;
  }
  how.what = migrate_down_->parsed()     ? migrate_command::action::down
             : migrate_status_->parsed() ? migrate_command::action::status
                                         : migrate_command::action::up;
  const auto steps = parse_integer(steps_.empty() ? "1" : steps_);
  if (!steps || *steps < 1 || *steps > 1000) {
    throw usage_error{fmt::format("--steps '{}' is not valid: it must be a whole number from 1 to 1000", steps_)};
  }
  if (all_ && !steps_.empty()) {
    throw usage_error{"--all and --steps exclude each other"};
  }
  how.steps = all_ ? std::nullopt : std::optional{static_cast<std::size_t>(*steps)};
  const auto lock_timeout = parse_duration(lock_timeout_);
  if (!lock_timeout || *lock_timeout > std::chrono::hours{24}) {
    throw usage_error{fmt::format("--lock-timeout '{}' is not valid: it must be a duration from 0s to 1d, such as 30s",
                                  lock_timeout_)};
  }
  how.lock_timeout = *lock_timeout;
  how.database_url = database_url();
  return how;
}

verify_command parser::build_verify() {
  verify_command how{
      .database_url = database_url(), .user = std::nullopt, .metrics_file = metrics_file_, .json = wants_json()};
  if (!user_.empty()) {
    how.user = parse_integer(user_);
    if (!how.user || *how.user < 1 || *how.user > max_json_integer) {
      throw usage_error{
          fmt::format("--user '{}' is not valid: it must be a whole number from 1 to {}", user_, max_json_integer)};
    }
  }
  return how;
}

std::string parser::healthcheck_url() {
  if (!url_.empty()) {
    return url_;
  }
  auto address = parse_listen_address(resolve_one("--listen", given_, env_, &settings::listen)).value();
  // A server that listens everywhere is asked on the loopback.
  if (address.host == "0.0.0.0") {
    address.host = "127.0.0.1";
  } else if (address.host == "::") {
    address.host = "::1";
  }
  const bool tls = !resolve_one("--tls-certificate", given_, env_, &settings::tls_certificate).empty();
  return fmt::format("{}://{}/readyz", tls ? "https" : "http", address.text());
}

command parser::build() {
  if (serve_->parsed()) {
    return serve_command{all_settings()};
  }
  if (migrate_->parsed()) {
    return build_migrate();
  }
  if (seed_->parsed()) {
    return seed_command{.database_url = database_url(), .json = wants_json()};
  }
  if (verify_->parsed()) {
    return build_verify();
  }
  if (doctor_->parsed()) {
    const settings_source source = take_service_file();
    return doctor_command{.how = all_settings(), .source = source, .json = wants_json()};
  }
  if (cache_clear_->parsed()) {
    cache_clear_command made;
    made.how.redis_url = resolve_one("--redis-url", given_, env_, &settings::redis_url);
    made.how.redis_prefix = resolve_one("--redis-prefix", given_, env_, &settings::redis_prefix);
    return made;
  }
  if (healthcheck_->parsed()) {
    return healthcheck_command{healthcheck_url()};
  }
  if (key_->parsed()) {
    auto built = key_->build(database_url());
    if (!built) {
      throw usage_error{std::move(built.error())};
    }
    return *std::move(built);
  }
  if (completion_->parsed()) {
    return print_and_exit{.exit_code = exit_ok, .out = bash_completion(app_), .err = {}};
  }
  return version_command{};
}

}  // namespace

command parse_command_line(std::vector<std::string> arguments, const process_environment& env) {
  if (arguments.empty()) {
    auto help = parser{env}.parse({"--help"});
    auto& page = std::get<print_and_exit>(help);
    return print_and_exit{.exit_code = exit_usage, .out = {}, .err = std::move(page.out)};
  }
  return parser{env}.parse(std::move(arguments));
}

}  // namespace coffer::app
