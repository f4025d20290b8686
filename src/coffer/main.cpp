// The program: runs what the command line asks for. Must not know how.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "coffer/app/command_line.hpp"
#include "coffer/base/log.hpp"

namespace {

using namespace coffer;

std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): before any thread starts
  return value == nullptr ? std::nullopt : std::optional<std::string>{value};
}

/// Before any thread starts, so that nobody reads what is changed.
app::process_environment environment_of_process() {
  return {.value = variable,
          .names =
              [] {
                std::vector<std::string> names;
                for (char** each = ::environ; *each != nullptr; ++each) {
                  const std::string_view text = *each;
                  names.emplace_back(text.substr(0, text.find('=')));
                }
                return names;
              },
          .set =
              [](const std::string& name, const std::string& value) {
                ::setenv(name.c_str(), value.c_str(), 1);  // NOLINT(concurrency-mt-unsafe)
              }};
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const app::command wanted = app::parse_command_line({argv + 1, argv + argc}, environment_of_process());
    if (!std::holds_alternative<app::serve_command>(wanted)) {
      // What went wrong is said once, at the end; stdout has what was asked for and nothing else.
      log::configure(log::level::error, log::format::automatic);
    }
    return std::visit([](const auto& each) { return app::run(each); }, wanted);
  } catch (const std::exception& e) {
    fmt::print(stderr, "coffer: {}\n", e.what());
    return app::exit_failed;
  }
}
