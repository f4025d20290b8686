#include "coffer/pg/conninfo.hpp"

#include <algorithm>
#include <cstdlib>
#include <memory>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "coffer/pg/error.hpp"
#include "coffer/pg/handle.hpp"

namespace coffer::pg {

namespace {

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  while (!list.empty()) {
    const std::size_t end = list.find(',', begin);
    parts.push_back(list.substr(begin, end - begin));
    if (end == std::string::npos) {
      break;
    }
    begin = end + 1;
  }
  return parts;
}

std::string from_environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody here sets variables
  return value == nullptr ? std::string{} : std::string{value};
}

/// Backslash before blanks and backslashes, as the server splits the value of "options".
std::string escape_setting(std::string_view value) {
  std::string escaped;
  for (const char c : value) {
    if (c == ' ' || c == '\\') {
      escaped += '\\';
    }
    escaped += c;
  }
  return escaped;
}

void add_setting(std::string& all, std::string_view name, std::string_view value) {
  fmt::format_to(std::back_inserter(all), "-c {}={} ", name, escape_setting(value));
}

/// The five characters behind ":  " and before ":" in "... failed: FATAL:  28P01: password ...".
sqlstate state_in_line(std::string_view line) {
  for (std::size_t at = line.find(":  "); at != std::string_view::npos; at = line.find(":  ", at + 1)) {
    const std::string_view rest = line.substr(at + 3);
    if (rest.size() > 5 && rest[5] == ':') {
      const sqlstate state = sqlstate_from(rest.substr(0, 5));
      if (state != sqlstate::none) {
        return state;
      }
    }
  }
  return sqlstate::none;
}

template <typename Visit>
void for_each_line(std::string_view text, Visit visit) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    visit(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
}

}  // namespace

std::string session_options(const options& how, std::string_view asked_for) {
  std::string all;
  if (how.prepared) {
    add_setting(all, "statement_timeout", fmt::format("{}", how.statement_timeout.count()));
    add_setting(all, "lock_timeout", fmt::format("{}", how.lock_timeout.count()));
    add_setting(all, "idle_in_transaction_session_timeout", fmt::format("{}", how.idle_in_transaction_timeout.count()));
    add_setting(all, "TimeZone", "UTC");
    // The server notices a client whose machine vanished: between the statements of a pipeline no timeout of a session
    // runs, and the locks would stay for hours. Without effect on Unix sockets.
    add_setting(all, "tcp_keepalives_idle", "10");
    add_setting(all, "tcp_keepalives_interval", "5");
    add_setting(all, "tcp_keepalives_count", "3");
    // The write path takes a lock in one statement and reads in the next: it needs a new snapshot per statement.
    add_setting(all, "default_transaction_isolation", "read committed");
    for (const auto& [name, value] : how.settings) {
      add_setting(all, name, value);
    }
  }
  all += asked_for;
  return all;
}

conninfo::conninfo(const options& how) : url_{how.url} {
  char* message = nullptr;
  const std::unique_ptr<PQconninfoOption, conninfo_deleter> parsed{PQconninfoParse(how.url.c_str(), &message)};
  PQfreemem(message);
  if (!parsed) {
    throw error{failure::connect, "the connection URL is malformed"};
  }
  std::string names, addresses, ports, asked_for;
  for (const PQconninfoOption* option = parsed.get(); option->keyword != nullptr; ++option) {
    const std::string_view keyword = option->keyword;
    const std::string value = option->val == nullptr ? "" : option->val;
    if (keyword == "host") {
      names = value;
    } else if (keyword == "hostaddr") {
      addresses = value;
    } else if (keyword == "port") {
      ports = value;
    } else if (keyword == "options") {
      asked_for = value;
    }
  }
  if (asked_for.empty()) {
    asked_for = from_environment("PGOPTIONS");
  }
  if (names.empty() && addresses.empty()) {
    names = from_environment("PGHOST");
    addresses = from_environment("PGHOSTADDR");
  }
  if (ports.empty()) {
    ports = from_environment("PGPORT");
  }
  read_hosts(names, addresses, ports);
  defaults_ = {{"fallback_application_name", how.application_name},
               // A peer that vanished without a word is noticed in about half a minute while nothing is asked.
               {"keepalives_idle", "15"},
               {"keepalives_interval", "5"},
               {"keepalives_count", "3"}};
  overrides_ = {{"client_encoding", "UTF8"}};
  if (const std::string all = session_options(how, asked_for); !all.empty()) {
    overrides_.emplace_back("options", all);
  }
}

void conninfo::read_hosts(const std::string& names, const std::string& addresses, const std::string& ports) {
  const auto name_list = split(names);
  const auto address_list = split(addresses);
  const auto port_list = split(ports);
  const std::size_t count = std::max(name_list.size(), address_list.size());
  const auto fits = [count](const auto& list) { return list.empty() || list.size() == count; };
  // Lists of different lengths are libpq's to refuse.
  if (count == 0 || !fits(name_list) || !fits(address_list) || !(fits(port_list) || port_list.size() == 1)) {
    return;
  }
  for (std::size_t i = 0; i < count; ++i) {
    hosts_.push_back(host{name_list.empty() ? "" : name_list[i], address_list.empty() ? "" : address_list[i],
                          port_list.empty() ? "" : port_list[port_list.size() == 1 ? 0 : i]});
  }
}

bool conninfo::rotate_past(std::string_view name, std::string_view port) {
  const auto is_it = [&](const host& h) {
    const std::string_view own_name = h.name.empty() ? std::string_view{h.address} : std::string_view{h.name};
    const std::string_view own_port = h.port.empty() ? std::string_view{"5432"} : std::string_view{h.port};
    return own_name == name && own_port == port;
  };
  const auto found = std::find_if(hosts_.begin(), hosts_.end(), is_it);
  if (found == hosts_.end()) {
    return false;
  }
  std::rotate(hosts_.begin(), found + 1, hosts_.end());
  return true;
}

conninfo::arrays conninfo::to_arrays() {
  arrays all;
  const auto add = [&all](const char* keyword, const std::string& value) {
    all.keywords.push_back(keyword);
    all.values.push_back(value.c_str());
  };
  for (const auto& [keyword, value] : defaults_) {
    add(keyword.c_str(), value);
  }
  add("dbname", url_);
  for (const auto& [keyword, value] : overrides_) {
    add(keyword.c_str(), value);
  }
  names_.clear();
  addresses_.clear();
  ports_.clear();
  for (const host& h : hosts_) {
    const char* comma = &h == hosts_.data() ? "" : ",";
    names_ += comma + h.name;
    addresses_ += comma + h.address;
    ports_ += comma + h.port;
  }
  if (!hosts_.empty()) {
    add("host", names_);
    add("hostaddr", addresses_);
    add("port", ports_);
  }
  all.keywords.push_back(nullptr);
  all.values.push_back(nullptr);
  return all;
}

sqlstate state_of_connect_message(std::string_view message) {
  sqlstate last = sqlstate::none;
  for_each_line(message, [&last](std::string_view line) {
    const sqlstate state = state_in_line(line);
    last = state == sqlstate::none ? last : state;
  });
  return last;
}

std::string summary_of_connect_message(std::string_view message) {
  std::string summary;
  for_each_line(message, [&summary](std::string_view line) {
    const bool advice = line.empty() || line.starts_with('\t') || line.starts_with("LOCATION:") ||
                        line.starts_with("DETAIL:") || line.starts_with("HINT:");
    if (!advice) {
      summary += summary.empty() ? "" : "; ";
      summary += line;
    }
  });
  return summary;
}

}  // namespace coffer::pg
