#include "coffer/app/command_line_key.hpp"

#include <fmt/format.h>

#include "coffer/app/settings_values.hpp"
#include "coffer/base/ids.hpp"

namespace coffer::app {

void key_arguments::describe(CLI::App& app) {
  key_ = app.add_subcommand("key", "Make, list and revoke the server keys that --auth required asks for");
  key_->require_subcommand(1);
  key_->footer(
      "An app's backend sends its key as `Authorization: Bearer KEY`. admin contains all other scopes, admin:read all "
      "those"
      " to read.\n\nExamples:\n"
      "  coffer key create --name shop --scopes \"purchases:write inventory:read catalog:read\"\n"
      "  coffer key create --name support --scopes \"admin:read refunds:write\"\n"
      "  coffer key create --name ops --scopes admin --expires-in 90d\n"
      "  coffer key list\n  coffer key revoke 3");
  create_ = key_->add_subcommand("create", "Make a key and print it: this is the only time that it is shown");
  create_->add_option("--name", name_, "what it is for")->type_name("TEXT")->required();
  create_->add_option("--scopes", scopes_, fmt::format("separated by spaces: {}", auth::scope_names()))
      ->type_name("LIST")
      ->required();
  create_->add_option("--expires-in", expires_in_, "how long it is good for, default for ever")->type_name("1s..3650d");
  create_->add_flag("--test", is_test_, "a cof_test_ key: it opens only servers with --test-keys on");
  list_ = key_->add_subcommand("list", "List the newest thousand keys, revoked and expired ones too");
  list_->add_option("--format", format_, "what is printed, default text")->type_name("text|json");
  revoke_ = key_->add_subcommand("revoke", "Take a key out of force, for ever");
  revoke_->add_option("id", id_, "its id, as `coffer key list` shows it")->type_name("")->required();
}

std::expected<key_command, std::string> key_arguments::build(std::string database_url) const {
  key_command made;
  made.database_url = std::move(database_url);
  if (list_->parsed()) {
    made.what = key_command::action::list;
    if (format_ != "text" && format_ != "json") {
      return std::unexpected{fmt::format("--format '{}' is not valid: it must be text or json", format_)};
    }
    made.json = format_ == "json";
    return made;
  }
  if (revoke_->parsed()) {
    made.what = key_command::action::revoke;
    const auto id = parse_integer(id_);
    if (!id || *id < 1 || *id > max_json_integer) {
      return std::unexpected{
          fmt::format("id '{}' is not valid: it must be a whole number from 1 to {}", id_, max_json_integer)};
    }
    made.id = *id;
    return made;
  }
  if (name_.empty() || name_.size() > store::max_key_name) {
    return std::unexpected{fmt::format("--name is not valid: it must have 1 to {} bytes", store::max_key_name)};
  }
  made.wanted.name = name_;
  made.wanted.is_test = is_test_;
  const auto scopes = auth::scopes_from_string(scopes_);
  if (!scopes) {
    return std::unexpected{
        fmt::format("--scopes '{}' is not valid: '{}' is none of {}", scopes_, scopes.error(), auth::scope_names())};
  }
  made.wanted.scopes = *scopes;
  if (!expires_in_.empty()) {
    made.wanted.valid_for = parse_duration(expires_in_);
    if (!made.wanted.valid_for || *made.wanted.valid_for < std::chrono::seconds{1}) {
      return std::unexpected{fmt::format(
          "--expires-in '{}' is not valid: it must be a duration from 1s to 3650d, such as 90d", expires_in_)};
    }
  }
  return made;
}

}  // namespace coffer::app
