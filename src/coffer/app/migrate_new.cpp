#include <algorithm>
#include <filesystem>
#include <fstream>

#include <fmt/chrono.h>

#include "coffer/app/migrate.hpp"
#include "coffer/base/clock.hpp"

namespace coffer::app {

std::string new_migration(const std::string& folder, std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  if (name.empty() || name.size() > 100 || !std::ranges::all_of(name, allowed)) {
    throw migrate_error(
        fmt::format("'{}' cannot be part of a file name: use 1 to 100 letters, digits, '_' and '-'", name));
  }
  if (!std::filesystem::is_directory(folder)) {
    throw migrate_error(fmt::format("there is no folder {}: make it, or name another with --dir", folder));
  }
  const std::string stamp = fmt::format("{:%Y%m%d%H%M%S}", std::chrono::floor<std::chrono::seconds>(now()));
  const auto path = std::filesystem::path{folder} / fmt::format("{}_{}.sql", stamp, name);
  // noreplace is C++23 that g++ 12 does not have.
  if (std::filesystem::exists(path)) {
    throw migrate_error(fmt::format("{} exists already", path.string()));
  }
  std::ofstream file{path};
  file << "-- migrate:up\n\n\n-- migrate:down\n\n";
  file.close();
  if (!file) {
    throw migrate_error(fmt::format("{} cannot be written", path.string()));
  }
  return path.string();
}

}  // namespace coffer::app
