// What libpq is told to connect with: the URL, the session's settings, and the order of the hosts. No I/O.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "coffer/pg/options.hpp"
#include "coffer/pg/sqlstate.hpp"

namespace coffer::pg {

/// The keywords of one connection attempt.
class conninfo {
 public:
  /// One entry of libpq's lists of hosts. Empty members are libpq's defaults.
  struct host {
    std::string name;
    std::string address;
    std::string port;
  };

  /// Throws error{failure::connect} when the URL is malformed. The message never shows the URL: it holds a password.
  explicit conninfo(const options& how);

  /// What the session is to be set to once it is open: the settings of the options but those that the URL's own
  /// "options" name. They are not sent in the start-up packet, which a pooler refuses.
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& settings() const noexcept { return settings_; }

  /// At least 1.
  [[nodiscard]] std::size_t host_count() const noexcept { return hosts_.empty() ? 1 : hosts_.size(); }

  /// The hosts in the order in which they are tried. None when libpq must find out by itself (defaults, service files).
  [[nodiscard]] const std::vector<host>& hosts() const noexcept { return hosts_; }
  void replace_hosts(std::vector<host> hosts) { hosts_ = std::move(hosts); }

  /// Moves the hosts before and including the one called `host` and `port` to the end of the list, so that the next
  /// attempt begins behind it. False when there is no such host.
  bool rotate_past(std::string_view host, std::string_view port);

  /// Keywords and values for PQconnectStartParams with expand_dbname, both ended by a null pointer. Valid as long as
  /// this object and until the next rotation.
  struct arrays {
    std::vector<const char*> keywords;
    std::vector<const char*> values;
  };
  [[nodiscard]] arrays to_arrays();

 private:
  void read_hosts(const std::string& names, const std::string& addresses, const std::string& ports);

  std::vector<std::pair<std::string, std::string>> defaults_;  ///< the URL overrides these
  std::string url_;
  std::vector<std::pair<std::string, std::string>> overrides_;  ///< these override the URL
  std::vector<std::pair<std::string, std::string>> settings_;
  std::vector<host> hosts_;
  std::string names_, addresses_, ports_;  ///< what arrays point to
};

/// The settings of `how`, name and value, without those that the start-up parameter "options" of the user names.
std::vector<std::pair<std::string, std::string>> session_settings(const options& how, std::string_view asked_for);

/// What is wrong with a connection URL (or list of key=value), as the end of a sentence that names the part; empty when
/// nothing is. Never shows a password. Connects to nothing.
std::string problem_of_url(const std::string& url);

/// The last SQLSTATE in libpq's message about a failed connect (PQERRORS_VERBOSE), `none` when no server spoke.
sqlstate state_of_connect_message(std::string_view message);

/// That message without hints and source positions, on one line.
std::string summary_of_connect_message(std::string_view message);

}  // namespace coffer::pg
