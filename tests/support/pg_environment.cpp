#include "support/pg_environment.hpp"

#include <cstdlib>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "support/run_task.hpp"

namespace coffer::test {

namespace {

std::string percent_encoded(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' ||
                       c == '-' || c == '_' || c == ',';
    encoded += plain ? std::string{c} : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return encoded;
}

}  // namespace

std::string database_url() {
  const char* url = std::getenv("DATABASE_URL");
  if (url == nullptr || *url == '\0') {
    throw std::runtime_error{"integration tests need DATABASE_URL, e.g. postgresql:///coffer_test"};
  }
  return url;
}

std::string url_with(const std::string& url, const std::vector<std::pair<std::string, std::string>>& keywords) {
  std::string changed = url;
  const bool is_uri = url.starts_with("postgresql://") || url.starts_with("postgres://");
  for (const auto& [key, value] : keywords) {
    if (is_uri) {
      changed += changed.find('?') == std::string::npos ? '?' : '&';
      changed += key + "=" + percent_encoded(value);
    } else {
      changed += fmt::format(" {}='{}'", key, value);
    }
  }
  return changed;
}

pg::options database_options() { return pg::options{database_url()}; }

server_address database_address() {
  pg_session session;
  const std::string peer = session->peer();
  const std::size_t colon = peer.rfind(':');
  server_address address{peer.substr(0, colon), 0};
  if (address.is_unix()) {
    address.host += "/.s.PGSQL." + peer.substr(colon + 1);
  } else {
    address.port = static_cast<std::uint16_t>(std::stoi(peer.substr(colon + 1)));
  }
  return address;
}

pg_session::pg_session(pg::options how) : context_{std::make_unique<asio::io_context>(1)} {
  connection_ = run_task(*context_, pg::connection::open(context_->get_executor(), std::move(how),
                                                         net::deadline_in(std::chrono::seconds{10})));
}

pg_session::~pg_session() = default;

std::vector<pg::rows> pg_session::run(pg::pipeline statements, std::chrono::milliseconds limit) {
  return run_task(*context_, connection_->run(std::move(statements), net::deadline_in(limit)));
}

pg::rows pg_session::query(const pg::statement& what, pg::params with, std::chrono::milliseconds limit) {
  return run_task(*context_, connection_->query(what, std::move(with), net::deadline_in(limit)));
}

pg::rows pg_session::execute(std::string sql, std::chrono::milliseconds limit) {
  return run_task(*context_, connection_->execute(std::move(sql), net::deadline_in(limit)));
}

std::string pg_session::ask(const std::string& sql) { return std::string{execute(sql).text(0, 0)}; }

void kill_backend(std::int32_t pid) {
  pg_session killer;
  killer.execute(fmt::format("select pg_terminate_backend({}, 5000)", pid));
}

}  // namespace coffer::test
