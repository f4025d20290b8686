// How sessions with PostgreSQL are set up: those of a server, and those of a command.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "coffer/app/settings.hpp"
#include "coffer/pg/options.hpp"

namespace coffer::app {

/// What `coffer serve` tells PostgreSQL about its sessions.
inline pg::options database_options(const settings& s) {
  pg::options how{s.database_url};
  how.connect_timeout = s.database_connect_timeout;
  how.statement_timeout = s.database_statement_timeout;
  how.lock_timeout = s.database_lock_timeout;
  how.prepared = s.prepared;
  return how;
}

/// The session of `coffer NAME`. It leaves nothing behind: a pooler may lend it to others.
inline pg::options command_session(std::string database_url, std::string_view name) {
  pg::options how{std::move(database_url)};
  how.application_name = fmt::format("coffer {}", name);
  how.connect_timeout = std::chrono::seconds{10};
  how.prepared = false;
  return how;
}

}  // namespace coffer::app
