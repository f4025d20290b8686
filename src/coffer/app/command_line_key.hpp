// `coffer key` on the command line. Only for command_line.cpp.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "coffer/app/command_line.hpp"

namespace coffer::app {

/// The subcommands of `coffer key`, and what was given to them. Not to be moved: the parser points into it.
class key_arguments {
 public:
  /// Adds the command. `offer_database` adds the database's setting to a subcommand.
  template <typename OfferDatabase>
  key_arguments(CLI::App& app, const char* exit_codes, OfferDatabase offer_database) {
    describe(app);
    for (CLI::App* each : {create_, list_, revoke_}) {
      offer_database(*each);
      each->footer(exit_codes);
    }
  }
  key_arguments(const key_arguments&) = delete;
  key_arguments& operator=(const key_arguments&) = delete;

  [[nodiscard]] bool parsed() const { return key_->parsed(); }
  /// The command, or what is wrong with the arguments.
  [[nodiscard]] std::expected<key_command, std::string> build(std::string database_url) const;

 private:
  void describe(CLI::App& app);

  CLI::App* key_ = nullptr;
  CLI::App* create_ = nullptr;
  CLI::App* list_ = nullptr;
  CLI::App* revoke_ = nullptr;
  std::string name_;
  std::string scopes_;
  std::string expires_in_;
  std::string id_;
  std::string format_ = "text";
  bool is_test_ = false;
};

}  // namespace coffer::app
