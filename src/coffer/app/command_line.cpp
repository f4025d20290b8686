#include "coffer/app/command_line.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "coffer/app/env_file.hpp"
#include "coffer/app/settings_values.hpp"
#include "coffer/app/suggestion.hpp"
#include "coffer/app/version.hpp"
#include "coffer/auth/key_rules.hpp"
#include "coffer/base/ids.hpp"

namespace coffer::app {

namespace {

/// What completes an option's value, from its shape: the words of "off|required|1..9", files for FILE and FOLDER.
std::string completed_values(std::string_view shape) {
  std::string words;
  while (!shape.empty()) {
    const std::string_view part = shape.substr(0, shape.find('|'));
    shape.remove_prefix(part.size() == shape.size() ? part.size() : part.size() + 1);
    const bool is_word =
        !part.empty() && part.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string_view::npos;
    if (part == "FILE" || part == "FOLDER") {
      words += "FILE ";
    } else if (is_word) {
      words.append(part).append(" ");
    }
  }
  return words;
}

/// The entries of a command and of those below it.
void complete_command(const CLI::App& command, const std::string& path, std::string& words, std::string& values) {
  words += fmt::format("  ['{}']='", path);
  for (const CLI::App* each : command.get_subcommands({})) {
    words += each->get_name() + ' ';
  }
  for (const CLI::Option* each : command.get_options()) {
    if (each->nonpositional()) {
      const std::string name = each->get_name();
      words += name.substr(0, name.find(',')) + ' ';
      if (each->get_items_expected_max() > 0) {
        values += fmt::format("  ['{} {}']='{}'\n", path, name, completed_values(each->get_type_name()));
      }
    }
  }
  words += "'\n";
  for (const CLI::App* each : command.get_subcommands({})) {
    complete_command(*each, fmt::format("{} {}", path, each->get_name()), words, values);
  }
}

/// Finds the command by the words before the cursor, and offers what may come next. bash takes `=` for a word.
constexpr std::string_view completion_function = R"(
_coffer() {
  local command=coffer word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} i values
  for ((i = 1; i < COMP_CWORD; i++)); do
    if [[ -n ${_coffer_words[$command ${COMP_WORDS[i]}]+known} ]]; then command+=" ${COMP_WORDS[i]}"; fi
  done
  if [[ $word == '=' ]]; then word=''; fi
  if [[ $before == '=' ]]; then before=${COMP_WORDS[COMP_CWORD-2]}; fi
  COMPREPLY=()
  if [[ -n ${_coffer_values[$command $before]+known} ]]; then
    values=${_coffer_values[$command $before]}
    if [[ $values == *FILE* ]]; then compopt -o default 2> /dev/null; fi
    mapfile -t COMPREPLY < <(compgen -W "${values//FILE/}" -- "$word")
  else
    mapfile -t COMPREPLY < <(compgen -W "${_coffer_words[$command]}" -- "$word")
  fi
}
complete -F _coffer coffer
)";

/// A script for bash that completes the commands of `app`, their options and the values that options are known to take.
std::string bash_completion(const CLI::App& app) {
  std::string words;
  std::string values;
  complete_command(app, app.get_name(), words, values);
  return fmt::format(
      "# shellcheck shell=bash\n# Completion of coffer's command line, printed by `coffer completion`.\n"
      "# What may follow a command, and the values of its options.\n"
      "declare -gA _coffer_words=(\n{})\ndeclare -gA _coffer_values=(\n{})\n{}",
      words, values, completion_function);
}

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
    add_key();
    const std::string version = fmt::format("coffer {}\n", version_text);
    add(app_, "version", "Print the version", [version] { return print_and_exit{.out = version, .err = {}}; });
    add_completion();
    app_.set_version_flag("--version", version);
  }
  parser(const parser&) = delete;
  parser& operator=(const parser&) = delete;

  command parse(std::vector<std::string> arguments) {
    // CLI11 takes them last first.
    std::ranges::reverse(arguments);
    try {
      app_.parse(std::move(arguments));
      take_env_file();
      return builders_.at(chosen())();
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
  /// Adds a command. `build` makes it from what was given, or throws usage_error.
  CLI::App& add(CLI::App& to, const char* name, const char* about, std::function<command()> build) {
    CLI::App* const made = to.add_subcommand(name, about);
    builders_.emplace(made, std::move(build));
    return *made;
  }
  /// Adds a command that has commands below it.
  CLI::App& add_group(const char* name, const char* about) {
    CLI::App* const made = app_.add_subcommand(name, about);
    made->require_subcommand(1);
    return *made;
  }
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
  void offer_format(CLI::App& where) {
    where.add_option("--format", format_, "what is printed, default text")->type_name("text|json");
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
  void add_key();
  void add_completion();

  /// The innermost command that was named.
  [[nodiscard]] const CLI::App* chosen() const;
  [[nodiscard]] std::string explain(const CLI::ParseError& e) const;
  [[nodiscard]] print_and_exit refuse(const std::string& what) const;

  migrate_command build_migrate(migrate_command::action what);
  verify_command build_verify();
  key_command build_key_create();
  std::string healthcheck_url();

  [[nodiscard]] static std::int64_t read_id(const char* what, const std::string& text) {
    const auto id = parse_integer(text);
    if (!id || *id < 1 || *id > max_json_integer) {
      throw usage_error{
          fmt::format("{} '{}' is not valid: it must be a whole number from 1 to {}", what, text, max_json_integer)};
    }
    return *id;
  }
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
  std::map<const CLI::App*, std::function<command()>> builders_;

  // What was given. A command takes what it offers; the rest is empty.
  given_flags given_;
  std::string env_file_;
  std::string format_ = "text";
  migrate_command migrate_;
  std::string lock_timeout_ = "5s";
  bool all_ = false;
  std::string steps_;
  std::string user_;
  std::string metrics_file_;
  std::string url_;
  key_request key_;
  std::string scopes_;
  std::string expires_in_;
  std::string key_id_;
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
  CLI::App& serve = add(app_, "serve", "Run the server", [this] { return serve_command{all_settings()}; });
  for (const setting_spec& spec : setting_specs()) {
    offer(serve, spec, given_);
  }
  offer_env_file(serve);
  serve.footer(fmt::format(
      "SIGTERM and SIGINT end the server after the requests in flight; a second one ends it at once.\n\nExamples:\n"
      "  DATABASE_URL=postgresql://coffer@db/coffer REDIS_URL=redis://cache:6379/0 coffer serve\n"
      "  coffer serve --listen 127.0.0.1:9000 --threads 2 --lanes 8\n\n{}",
      exit_codes));
}

void parser::add_migrate() {
  using action = migrate_command::action;
  CLI::App& migrate = add_group("migrate", "Bring the database schema up to date, undo it, or look at it");
  CLI::App& up = add(migrate, "up", "Apply all pending migrations", [this] { return build_migrate(action::up); });
  CLI::App& down = add(migrate, "down", "Undo the newest migration; refused while that would lose data",
                       [this] { return build_migrate(action::down); });
  CLI::App& status = add(migrate, "status", "List the migrations and whether they are applied",
                         [this] { return build_migrate(action::status); });
  CLI::App& fresh =
      add(migrate, "new", "Write an empty migration file", [this] { return build_migrate(action::create); });
  for (CLI::App* each : {&up, &down, &status}) {
    offer_database(*each);
    each->add_option("--dir", migrate_.folder, "use the files of this folder instead of those in the binary")
        ->type_name("FOLDER");
  }
  for (CLI::App* each : {&up, &down, &status, &fresh}) {
    each->footer(exit_codes);
  }
  for (CLI::App* each : {&up, &down}) {
    each->add_flag("--accept-changed", migrate_.accept_changed,
                   "accept files that were changed after they had been applied");
    each->add_option("--lock-timeout", lock_timeout_,
                     "how long a statement may wait for the service's locks, default 5s; 0s: no limit")
        ->type_name("0s..1d");
  }
  down.add_flag("--all", all_, "undo every migration: nothing is left");
  down.add_option("--steps", steps_, "undo so many, default 1")->type_name("1..1000");
  down.add_flag("--delete-data", migrate_.delete_data,
                "go on although rows, or what they mean, are lost; a terminal is asked for the database's name");
  status.add_flag("--exit-code", migrate_.exit_code, "exit with 1 when something is pending");
  fresh.add_option("--dir", migrate_.folder, "the folder, default migrations")->type_name("FOLDER");
  fresh.add_option("name", migrate_.name, "what it does, as part of the file's name")->type_name("")->required();
  migrate.footer(fmt::format(
      "The files have dbmate's format, and dbmate can run them too. Several runs at once are safe.\n\nExamples:\n"
      "  DATABASE_URL=postgresql://... coffer migrate up\n  coffer migrate status --exit-code\n"
      "  coffer migrate new add_stock\n\n{}",
      exit_codes));
}

void parser::add_seed() {
  CLI::App& seed = add(app_, "seed", "Add two example products and the user demo with 10000 credits",
                       [this] { return seed_command{.database_url = database_url(), .json = wants_json()}; });
  offer_database(seed);
  offer_format(seed);
  seed.footer(fmt::format("Running it again adds nothing.\n\n{}", exit_codes));
}

void parser::add_verify() {
  CLI::App& verify = add(app_, "verify", "Prove that the books are right: replay the journal against what is stored",
                         [this] { return build_verify(); });
  offer_database(verify);
  verify.add_option("--user", user_, "this user's books only, default everybody's")->type_name("ID");
  offer_format(verify);
  verify.add_option("--metrics-file", metrics_file_, "write the result there, for Prometheus' node exporter")
      ->type_name("FILE");
  verify.footer(
      "It reads range by range, writes nothing to the database and may run beside busy servers or on a"
      " standby.\n\nExamples:\n  coffer verify\n"
      "  coffer verify --user 42 --format json\n\nExit codes: 0 the books are right, 1 they are wrong, 2 wrong usage,"
      " 3 they could not be read.");
}

void parser::add_doctor() {
  CLI::App& doctor =
      add(app_, "doctor", "Look at everything a server needs, and say what to do about what is wrong", [this] {
        const settings_source source = take_service_file();
        return doctor_command{.how = all_settings(), .source = source, .json = wants_json()};
      });
  for (const setting_spec& spec : setting_specs()) {
    offer(doctor, spec, given_);
  }
  offer_env_file(doctor);
  offer_format(doctor);
  doctor.footer(
      "Takes the settings of `coffer serve` and changes nothing. Where no flag, variable or --env-file names a\n"
      "database, it reads the service's own /etc/coffer/environment.\n\nExamples:\n  coffer doctor\n"
      "  coffer doctor --listen 10.0.0.5:8080 --threads 4 --format json\n\nExit codes: 0 a server would serve (there "
      "may"
      " be warnings), 1 it would not, 2 wrong usage.");
}

void parser::add_healthcheck() {
  CLI::App& healthcheck = add(app_, "healthcheck", "Ask a running server whether it is ready (for containers)",
                              [this] { return healthcheck_command{healthcheck_url()}; });
  offer(healthcheck, find_setting("--listen"), given_);
  offer(healthcheck, find_setting("--tls-certificate"), given_);
  offer_env_file(healthcheck);
  healthcheck.add_option("--url", url_, "what to ask instead, default http://LISTEN/readyz, https with a certificate")
      ->type_name("http[s]://HOST:PORT/PATH");
  healthcheck.footer(fmt::format("It waits for 2 s at most.\n\n{}", exit_codes));
}

void parser::add_cache() {
  CLI::App& cache = add_group("cache", "Work on what servers keep in Redis");
  CLI::App& clear = add(cache, "clear", "Drop the cached inventories and popular products, and nothing else", [this] {
    cache_clear_command made;
    made.how.redis_url = resolve_one("--redis-url", given_, env_, &settings::redis_url);
    made.how.redis_prefix = resolve_one("--redis-prefix", given_, env_, &settings::redis_prefix);
    return made;
  });
  offer(clear, find_setting("--redis-url"), given_);
  offer(clear, find_setting("--redis-prefix"), given_);
  offer_env_file(clear);
  clear.footer(fmt::format(
      "Needed after the database was restored to an earlier moment. Safe beside running servers; their own copies of "
      "the\npopular products last until --popular-ttl. Keys without the prefix, and the limits, stay as they "
      "are.\n\n{}",
      exit_codes));
}

void parser::add_key() {
  CLI::App& key = add_group("key", "Make, list and revoke the server keys that --auth required asks for");
  key.footer(
      "An app's backend sends its key as `Authorization: Bearer KEY`. admin contains all other scopes, admin:read all "
      "those"
      " to read.\n\nExamples:\n"
      "  coffer key create --name shop --scopes \"purchases:write inventory:read catalog:read\"\n"
      "  coffer key create --name support --scopes \"admin:read refunds:write\"\n"
      "  coffer key create --name ops --scopes admin --expires-in 90d\n"
      "  coffer key list\n  coffer key revoke 3");
  CLI::App& create = add(key, "create", "Make a key and print it: this is the only time that it is shown",
                         [this] { return build_key_create(); });
  create.add_option("--name", key_.name, "what it is for")->type_name("TEXT")->required();
  create.add_option("--scopes", scopes_, fmt::format("separated by spaces: {}", auth::scope_names()))
      ->type_name("LIST")
      ->required();
  create.add_option("--expires-in", expires_in_, "how long it is good for, default for ever")->type_name("1s..3650d");
  create.add_flag("--test", key_.is_test, "a cof_test_ key: it opens only servers with --test-keys on");
  CLI::App& list = add(key, "list", "List the newest thousand keys, revoked and expired ones too", [this] {
    key_command made;
    made.what = key_command::action::list;
    made.database_url = database_url();
    made.json = wants_json();
    return made;
  });
  offer_format(list);
  CLI::App& revoke = add(key, "revoke", "Take a key out of force, for ever", [this] {
    key_command made;
    made.what = key_command::action::revoke;
    made.database_url = database_url();
    made.id = read_id("id", key_id_);
    return made;
  });
  revoke.add_option("id", key_id_, "its id, as `coffer key list` shows it")->type_name("")->required();
  for (CLI::App* each : {&create, &list, &revoke}) {
    offer_database(*each);
    each->footer(exit_codes);
  }
}

void parser::add_completion() {
  add(app_, "completion", "Print a script by which bash completes this command line",
      [this] { return print_and_exit{.out = bash_completion(app_), .err = {}}; })
      .footer(
          "Examples:\n  source <(coffer completion)\n"
          "  coffer completion > /usr/share/bash-completion/completions/coffer");
}

migrate_command parser::build_migrate(migrate_command::action what) {
  migrate_command how = migrate_;
  how.what = what;
  if (what == migrate_command::action::create) {
    how.folder = how.folder.empty() ? "migrations" : how.folder;
    return how;
  }
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
    how.user = read_id("--user", user_);
  }
  return how;
}

key_command parser::build_key_create() {
  key_command made;
  made.database_url = database_url();
  made.wanted = key_;
  if (!json::allows(auth::key_name, key_.name)) {
    throw usage_error{fmt::format("--name is not valid: it must have {} to {} characters, no control characters",
                                  auth::key_name.min_length, auth::key_name.max_length)};
  }
  const auto scopes = auth::scopes_from_string(scopes_);
  if (!scopes) {
    throw usage_error{
        fmt::format("--scopes '{}' is not valid: '{}' is none of {}", scopes_, scopes.error(), auth::scope_names())};
  }
  made.wanted.scopes = *scopes;
  if (!expires_in_.empty()) {
    made.wanted.valid_for = parse_duration(expires_in_);
    if (!made.wanted.valid_for || *made.wanted.valid_for < std::chrono::seconds{1}) {
      throw usage_error{fmt::format(
          "--expires-in '{}' is not valid: it must be a duration from 1s to 3650d, such as 90d", expires_in_)};
    }
  }
  return made;
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

}  // namespace

command parse_command_line(std::vector<std::string> arguments, const process_environment& env) {
  if (arguments.empty()) {
    auto help = parser{env}.parse({"--help"});
    auto& page = std::get<print_and_exit>(help);
    return print_and_exit{.exit_code = exit_usage, .out = {}, .err = std::move(page.out)};
  }
  return parser{env}.parse(std::move(arguments));
}

int run(const print_and_exit& page) {
  std::fputs(page.out.c_str(), stdout);
  std::fputs(page.err.c_str(), stderr);
  return page.exit_code;
}

}  // namespace coffer::app
