#include "support/exchange_log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <mutex>
#include <set>
#include <string>

#include <fmt/format.h>

namespace coffer::test {

namespace {

/// The file, opened at the first use; -1 when there is none.
int log_file() {
  static const int file = [] {
    const char* path = std::getenv("COFFER_TEST_EXCHANGES");
    return path == nullptr || *path == '\0' ? -1 : ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  }();
  return file;
}

std::mutex ports_lock;
std::set<std::uint16_t>& recorded_ports() {
  static std::set<std::uint16_t> ports;
  return ports;
}

void append_text(std::string& out, std::string_view bytes) {
  out += '"';
  for (const char c : bytes) {
    if (c >= ' ' && c <= '~' && c != '"' && c != '\\') {
      out += c;
    } else {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    }
  }
  out += '"';
}

void append_headers(std::string& out, const header_list& headers) {
  out += '[';
  for (const auto& [name, value] : headers) {
    out += out.back() == '[' ? "[" : ",[";
    append_text(out, name);
    out += ',';
    append_text(out, value);
    out += ']';
  }
  out += ']';
}

}  // namespace

void set_recorded(std::uint16_t port, bool recorded) {
  const std::lock_guard lock{ports_lock};
  if (recorded) {
    recorded_ports().insert(port);
  } else {
    recorded_ports().erase(port);
  }
}

void record_exchange(std::uint16_t port, const std::optional<recorded_request>& asked, const http_response& answer) {
  if (log_file() < 0) {
    return;
  }
  {
    const std::lock_guard lock{ports_lock};
    if (!recorded_ports().contains(port)) {
      return;
    }
  }
  std::string line;
  if (asked) {
    line += R"({"method":)";
    append_text(line, asked->method);
    line += R"(,"target":)";
    append_text(line, asked->target);
    line += R"(,"request_headers":)";
    append_headers(line, asked->headers);
    line += R"(,"request_body":)";
    append_text(line, asked->body);
  } else {
    line += R"({"method":null,"target":null,"request_headers":[],"request_body":"")";
  }
  line += fmt::format(R"(,"status":{},"headers":)", answer.status);
  append_headers(line, answer.headers);
  line += R"(,"body":)";
  append_text(line, answer.body);
  line += "}\n";
  // One write per line, so that threads and processes do not mix theirs. A check that finds no exchanges fails.
  [[maybe_unused]] const auto written = ::write(log_file(), line.data(), line.size());
}

}  // namespace coffer::test
