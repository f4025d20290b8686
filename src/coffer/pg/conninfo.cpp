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

/// Whether the start-up parameter "options" sets `name`: "-c name=value" or "--name=value".
bool names_setting(std::string_view options, std::string_view name) {
  for (const char* before : {"-c ", "-c", "--"}) {
    if (options.find(fmt::format("{}{}=", before, name)) != std::string_view::npos) {
      return true;
    }
  }
  return false;
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

std::vector<std::pair<std::string, std::string>> session_settings(const options& how, std::string_view asked_for) {
  std::vector<std::pair<std::string, std::string>> all{
      {"statement_timeout", fmt::format("{}", how.statement_timeout.count())},
      {"lock_timeout", fmt::format("{}", how.lock_timeout.count())},
      {"idle_in_transaction_session_timeout", fmt::format("{}", how.idle_in_transaction_timeout.count())},
      {"TimeZone", "UTC"}};
  if (how.prepared) {
    // The server notices a client whose machine vanished: between the statements of a pipeline no timeout of a session
    // runs, and the locks would stay for hours. Without effect on Unix sockets.
    all.insert(all.end(), {{"tcp_keepalives_idle", "10"},
                           {"tcp_keepalives_interval", "5"},
                           {"tcp_keepalives_count", "3"},
                           // The write path takes a lock in one statement and reads in the next: it needs a new
                           // snapshot per statement.
                           {"default_transaction_isolation", "read committed"}});
  }
  all.insert(all.end(), how.settings.begin(), how.settings.end());
  std::erase_if(all, [asked_for](const auto& setting) { return names_setting(asked_for, setting.first); });
  return all;
}

conninfo::conninfo(const options& how) : url_{how.url} {
  char* message = nullptr;
  const std::unique_ptr<PQconninfoOption, conninfo_deleter> parsed{PQconninfoParse(how.url.c_str(), &message)};
  PQfreemem(message);
  if (!parsed) {
    throw error{failure::connect, "the connection URL is malformed: " + problem_of_url(how.url)};
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
  settings_ = session_settings(how, asked_for);
  if (!asked_for.empty()) {
    overrides_.emplace_back("options", asked_for);
  }
}

namespace {

/// What other programs put into their URLs and libpq does not know, with what takes its place.
constexpr std::pair<std::string_view, std::string_view> foreign_parameters[] = {
    {"pgbouncer", "leave it out, and use --prepared off behind a pooler in transaction mode"},
    {"schema", "leave it out, and set the search_path of the role instead"},
    {"currentSchema", "leave it out, and set the search_path of the role instead"},
    {"search_path", "leave it out, and set the search_path of the role instead"},
    {"connection_limit", "leave it out: --lanes and --read-pool-size are the numbers of connections"},
    {"pool_timeout", "leave it out: --database-acquire-timeout is the wait for a connection"},
    {"statement_cache_size", "leave it out, or use --prepared off"},
    {"prepareThreshold", "leave it out, or use --prepared off"},
    {"sslaccept", "use sslmode"},
    {"sslcertmode", "it needs a newer libpq"},
    {"statement_timeout", "leave it out: --database-statement-timeout sets it"},
    {"lock_timeout", "leave it out: --database-lock-timeout sets it"},
    {"charset", "leave it out: it is always UTF8"},
    {"encoding", "leave it out: it is always UTF8"},
};

std::string unknown_parameter(std::string_view name) {
  std::string text = fmt::format("its parameter \"{}\" is not one of libpq's", name);
  for (const auto& [foreign, remedy] : foreign_parameters) {
    if (name == foreign) {
      text += fmt::format(" ({})", remedy);
    }
  }
  return text;
}

bool knows_parameter(std::string_view name) {
  const std::unique_ptr<PQconninfoOption, conninfo_deleter> all{PQconndefaults()};
  for (const PQconninfoOption* option = all.get(); option != nullptr && option->keyword != nullptr; ++option) {
    if (name == option->keyword) {
      return true;
    }
  }
  return name == "ssl";  // JDBC's, which libpq reads in a URI
}

/// The first parameter behind the '?' of a URI that libpq does not know, or that has no value.
std::string problem_of_query(std::string_view uri) {
  // A password may have a '?' in it.
  const auto authority = uri.find("://") + 3;
  const auto credentials = uri.substr(authority, uri.find('/', authority) - authority).rfind('@');
  const auto begin = uri.find('?', credentials == std::string_view::npos ? authority : authority + credentials);
  std::string_view rest = begin == std::string_view::npos ? std::string_view{} : uri.substr(begin + 1);
  while (!rest.empty()) {
    const auto end = std::min(rest.find('&'), rest.size());
    const std::string_view one = rest.substr(0, end);
    const std::string_view name = one.substr(0, one.find('='));
    if (!knows_parameter(name)) {
      return unknown_parameter(name);
    }
    if (name.size() == one.size()) {
      return fmt::format("its parameter \"{}\" has no value", name);
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return {};
}

/// What libpq says about a URL that it cannot read, without the pieces of the URL that it shows.
std::string problem_of_syntax(std::string_view said, bool is_uri) {
  const auto says = [said](std::string_view part) { return said.find(part) != std::string_view::npos; };
  if (constexpr std::string_view option = "invalid connection option \""; says(option)) {
    const std::string_view name = said.substr(said.find(option) + option.size());
    return unknown_parameter(name.substr(0, name.find('"')));
  }
  if (says("percent-encoded")) {
    return "it has a '%' that two hexadecimal digits do not follow (a '%' in a password is written %25)";
  }
  if (says("IPv6")) {
    return "an IPv6 address in it must stand in brackets and end with one";
  }
  if (says("unterminated quoted string")) {
    return "a quotation mark in it is not closed";
  }
  if (says("missing \"=\"")) {
    return "one of its words has no '='";
  }
  return is_uri ? "its host, port or path cannot be read (special characters in a user name or password are written"
                  " with '%' and two hexadecimal digits)"
                : "it cannot be read";
}

/// What libpq refuses about the values (sslmode, port, target_session_attrs, ...), which it looks at when it connects.
/// It is given a directory without a server as host, so that it reaches nobody.
std::string problem_of_values(const std::string& url) {
  const std::string nowhere = "/nonexistent";
  conninfo info{options{url}};
  std::vector<conninfo::host> hosts = info.hosts();
  if (hosts.empty()) {
    hosts.emplace_back();
  }
  for (conninfo::host& each : hosts) {
    each = conninfo::host{.name = nowhere, .address = {}, .port = each.port};
  }
  info.replace_hosts(std::move(hosts));
  const conninfo::arrays arrays = info.to_arrays();
  const handle tried{PQconnectStartParams(arrays.keywords.data(), arrays.values.data(), 1)};
  if (!tried || PQstatus(tried.get()) != CONNECTION_BAD) {
    return {};
  }
  const std::string said = first_line(PQerrorMessage(tried.get()));
  return said.find(nowhere) == std::string::npos && !said.empty() ? said : std::string{};
}

}  // namespace

std::string problem_of_url(const std::string& url) {
  const auto is_quote = [](char c) { return c == '"' || c == '\''; };
  if (!url.empty() && is_quote(url.front())) {
    return "it begins with a quotation mark: leave the quotes around it out";
  }
  const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
  if (url.empty() || is_blank(url.front()) || is_blank(url.back())) {
    return url.empty() ? "it is empty" : "it begins or ends with a blank or a line break";
  }
  const bool is_uri = url.starts_with("postgresql://") || url.starts_with("postgres://");
  if (!is_uri && url.find("://") < url.find('=')) {
    return fmt::format("its scheme is \"{}\"", url.substr(0, url.find("://")));
  }
  if (is_uri) {
    if (std::string problem = problem_of_query(url); !problem.empty()) {
      return problem;
    }
    if (is_quote(url.back())) {
      return "it ends with a quotation mark: leave the quotes around it out";
    }
  } else if (url.find('=') == std::string::npos) {
    return "it is neither";
  }
  char* message = nullptr;
  const std::unique_ptr<PQconninfoOption, conninfo_deleter> parsed{PQconninfoParse(url.c_str(), &message)};
  const std::string said = message == nullptr ? "" : message;
  PQfreemem(message);
  return parsed ? problem_of_values(url) : problem_of_syntax(said, is_uri);
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
