// The commands of the program: what each was asked for, and the functions that run them. How arguments become commands
// is command_line's business; each run() is in the file named after its command.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "coffer/app/settings.hpp"
#include "coffer/auth/scope.hpp"

namespace coffer::app {

/// The exit codes of every command.
inline constexpr int exit_ok = 0;
inline constexpr int exit_failed = 1;
inline constexpr int exit_usage = 2;
/// Of verify alone: whether the books are right could not be found out.
inline constexpr int exit_unchecked = 3;

struct serve_command {
  settings how;
};

struct migrate_command {
  enum class action : std::uint8_t { up, down, status, create };

  action what = action::up;
  std::string database_url;
  std::string folder;                    ///< empty: the files in the binary
  std::optional<std::size_t> steps = 1;  ///< of down; nullopt: all
  std::string name;                      ///< of create
  bool accept_changed = false;
  bool delete_data = false;  ///< of down: rows, or what they mean, may be lost
  bool exit_code = false;    ///< of status: fail when something is pending
  std::chrono::milliseconds lock_timeout{std::chrono::seconds{5}};
};

struct seed_command {
  std::string database_url;
  bool json = false;
};

struct healthcheck_command {
  std::string url;  ///< http[s]://ADDRESS:PORT/PATH
};

struct verify_command {
  std::string database_url;
  std::optional<std::int64_t> user;  ///< nullopt: everybody
  std::string metrics_file;          ///< empty: none is written
  bool json = false;
};

/// Where the settings come from besides flags and the environment.
struct settings_source {
  std::string file;     ///< whose variables were taken; empty: none
  std::string trouble;  ///< why a file that should have been read was not; empty: all is well
};

struct doctor_command {
  settings how;
  settings_source source;
  bool json = false;
};

/// A key to make; name and scopes have been checked.
struct key_request {
  std::string name;
  auth::scope_set scopes;
  bool is_test = false;
  std::optional<std::chrono::milliseconds> valid_for;  ///< nullopt: for ever
};

struct key_command {
  enum class action : std::uint8_t { create, list, revoke };

  action what = action::create;
  std::string database_url;
  key_request wanted;   ///< of create
  std::int64_t id = 0;  ///< of revoke
  bool json = false;    ///< of list
};

/// `coffer cache clear`
struct cache_clear_command {
  settings how;  ///< where Redis is, and the prefix
};

/// Nothing to run but a text: the version, a help, or what is wrong with the arguments.
struct print_and_exit {
  int exit_code = exit_ok;
  std::string out;
  std::string err;
};

// Each blocks, prints what came of it and gives the exit code. A std::exception that is thrown is a sentence for the
// operator: exit_failed.

/// Serves on the sockets that a service manager handed over, else on those that the settings name, until SIGTERM or
/// SIGINT; then drains, and a second signal ends the process at once. 0 after a complete drain, 1 when something had to
/// be cut off or the server could not start (the reason is logged).
int run(const serve_command& asked);

int run(const migrate_command& asked);

/// Adds what is missing of the examples: two products and a user with funds, which come as a deposit with the
/// idempotency key "seed". A second run adds nothing. Safe beside a running server.
int run(const seed_command& asked);

/// Asks a running server whether it is ready, without a shell or curl in the image. Waits for 2 s at most.
int run(const healthcheck_command& asked);

/// Proves that the books are right, or says what is not.
int run(const verify_command& asked);

/// Looks at everything that a server needs and says what to do about what is missing. Changes nothing.
int run(const doctor_command& asked);

/// Makes, lists or revokes server keys.
int run(const key_command& asked);

/// Drops what the servers of one database have cached in Redis, and nothing else there: limits and other people's keys
/// stay. Safe beside running servers.
int run(const cache_clear_command& asked);

int run(const print_and_exit& page);

}  // namespace coffer::app
