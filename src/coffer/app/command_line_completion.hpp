// Completion for bash, made from the parser's own description. Only for command_line.cpp.
#pragma once

#include <string>
#include <string_view>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

namespace coffer::app {

namespace detail {

/// What completes an option's value, from its shape: the words of "off|required|1..9", files for FILE and FOLDER.
inline std::string completed_values(std::string_view shape) {
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
inline void complete_command(const CLI::App& command, const std::string& path, std::string& words,
                             std::string& values) {
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

}  // namespace detail

/// A script for bash that completes the commands of `app`, their options and the values that options are known to take.
inline std::string bash_completion(const CLI::App& app) {
  std::string words;
  std::string values;
  detail::complete_command(app, app.get_name(), words, values);
  return fmt::format(
      "# shellcheck shell=bash\n# Completion of coffer's command line, printed by `coffer completion`.\n"
      "# What may follow a command, and the values of its options.\n"
      "declare -gA _coffer_words=(\n{})\ndeclare -gA _coffer_values=(\n{})\n{}",
      words, values, detail::completion_function);
}

}  // namespace coffer::app
