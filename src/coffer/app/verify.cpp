// `coffer verify`: runs the audit and tells what it found. Knows no SQL.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "coffer/app/commands.hpp"
#include "coffer/app/one_shot.hpp"
#include "coffer/base/clock.hpp"
#include "coffer/json/writer.hpp"
#include "coffer/service/books_audit.hpp"

namespace coffer::app {

namespace {

using namespace std::chrono_literals;

/// For one page of rows; a page is read in milliseconds, a disk that is busy may need longer.
constexpr auto page_time = 60s;

/// The outcome, to be printed.
struct verified {
  service::audit_report report;
  double seconds = 0;

  /// A line per rule, examples below those that are broken, the verdict last.
  [[nodiscard]] std::string to_text() const;
  /// One object: books_right, violations, milliseconds, what was read, and the rules with their counts and examples.
  [[nodiscard]] std::string to_json() const;
  /// For the textfile collector of Prometheus' node exporter. `now`: when the books had been read.
  [[nodiscard]] std::string to_metrics(timestamp now) const;
};

pg::options audit_session(std::string database_url) {
  pg::options session = command_session(std::move(database_url), "verify");
  session.statement_timeout = page_time * 10;
  session.idle_in_transaction_timeout = page_time;
  // Every range is found by an index, however small it is beside its table.
  session.settings.emplace_back("enable_seqscan", "off");
  return session;
}

service::audit_report audit(const verify_command& asked) {
  const store::user_range users = asked.user ? store::user_range{*asked.user, *asked.user} : store::user_range{};
  const bool show_progress = ::isatty(STDERR_FILENO) == 1;
  std::function<void(std::int64_t)> progress;
  if (show_progress) {
    progress = [](std::int64_t rows) { fmt::print(stderr, "\r{} transactions", rows); };
  }
  auto report = on_database(audit_session(asked.database_url), schema_demand::ready,
                            [&](pg::connection& db) { return service::audit_books(db, users, page_time, progress); });
  if (show_progress) {
    fmt::print(stderr, "\r{:40}\r", "");
  }
  if (asked.user && report.users == 0 && report.violations() == 0) {
    throw command_error(fmt::format("there is no user {}", *asked.user));
  }
  return report;
}

std::string where(const domain::book_violation& v) {
  std::string text;
  const auto add = [&text](const char* name, std::int64_t value) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, value);
  };
  if (v.user) {
    add("user", v.user->value);
  }
  if (v.at) {
    add("version", v.at->value);
  }
  if (v.product) {
    add("product", v.product->value);
  }
  return text;
}

void write_example(json::writer& out, const domain::book_violation& v) {
  const auto number_or_null = [&out](json::name name, const auto& id) {
    out.key(name);
    if (id) {
      out.value(id->value);
    } else {
      out.null();
    }
  };
  out.begin_object();
  number_or_null("user_id", v.user);
  number_or_null("version", v.at);
  number_or_null("product_id", v.product);
  out.key("expected");
  out.value(v.expected);
  out.key("found");
  out.value(v.found);
  out.end_object();
}

std::string verified::to_text() const {
  std::string out = fmt::format("{} users, {} transactions, {} lines of inventory, {} products in {:.1f} s\n\n",
                                report.users, report.transactions, report.holdings, report.products, seconds);
  std::size_t broken = 0;
  for (const auto& [name, rule] : report.rules) {
    if (rule.count == 0) {
      out += fmt::format("ok      {}\n", name);
      continue;
    }
    ++broken;
    out += fmt::format("BROKEN  {}: {} times\n", name, rule.count);
    for (const domain::book_violation& v : rule.examples) {
      out += fmt::format("          {}: expected {}, found {}\n", where(v), v.expected, v.found);
    }
  }
  out += broken == 0 ? "\nThe books are right.\n"
                     : fmt::format("\nThe books are wrong: {} violations of {} rules.\n", report.violations(), broken);
  return out;
}

std::string verified::to_json() const {
  std::string text;
  json::writer out{text};
  out.begin_object();
  out.key("books_right");
  out.value(report.violations() == 0);
  out.key("violations");
  out.value(report.violations());
  out.key("milliseconds");
  out.value(static_cast<std::int64_t>(seconds * 1000));
  for (const auto& [name, count] : {std::pair{"users", report.users}, std::pair{"transactions", report.transactions},
                                    std::pair{"holdings", report.holdings}, std::pair{"products", report.products}}) {
    out.dynamic_key(name);
    out.value(count);
  }
  out.key("rules");
  out.begin_object();
  for (const auto& [name, rule] : report.rules) {
    out.dynamic_key(name);
    out.begin_object();
    out.key("violations");
    out.value(rule.count);
    out.key("examples");
    out.begin_array();
    for (const domain::book_violation& v : rule.examples) {
      write_example(out, v);
    }
    out.end_array();
    out.end_object();
  }
  out.end_object();
  out.end_object();
  return text + "\n";
}

std::string verified::to_metrics(timestamp now) const {
  std::string out;
  const auto describe = [&out](std::string_view name, std::string_view help) {
    out += fmt::format("# HELP {0} {1}\n# TYPE {0} gauge\n", name, help);
  };
  constexpr std::string_view violations_name = "coffer_verify_violations";
  describe(violations_name, "Places where the last coffer verify found the books wrong, by rule");
  for (const auto& [name, rule] : report.rules) {
    out += fmt::format("{}{{rule=\"{}\"}} {}\n", violations_name, name, rule.count);
  }
  const auto add = [&](std::string_view name, std::string_view help, const auto& value) {
    describe(name, help);
    out += fmt::format("{} {}\n", name, value);
  };
  add("coffer_verify_completed_timestamp_seconds", "When coffer verify last read the books to their end",
      now.time_since_epoch().count() / 1'000'000);
  add("coffer_verify_duration_seconds", "How long that took", fmt::format("{:.3f}", seconds));
  add("coffer_verify_transactions", "Rows of the journal that it replayed", report.transactions);
  return out;
}

/// Puts `text` into the place of `file` in one step: whoever reads it finds the old text or the new one.
void replace_file(const std::string& file, const std::string& text) {
  const std::string unfinished = file + ".new";
  std::ofstream out{unfinished, std::ios::binary | std::ios::trunc};
  out << text;
  out.close();
  std::error_code failed;
  if (out) {
    std::filesystem::rename(unfinished, file, failed);
  }
  if (!out || failed) {
    throw command_error(fmt::format("{} cannot be written", file));
  }
}

}  // namespace

int run(const verify_command& asked) {
  try {
    const auto begin = std::chrono::steady_clock::now();
    verified done;
    done.report = audit(asked);
    done.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (!asked.metrics_file.empty()) {
      replace_file(asked.metrics_file, done.to_metrics(now()));
    }
    fmt::print("{}", asked.json ? done.to_json() : done.to_text());
    return done.report.violations() == 0 ? exit_ok : exit_failed;
  } catch (const std::exception& e) {
    fmt::print(stderr, "coffer: the books could not be read: {}\n", e.what());
    return exit_unchecked;
  }
}

}  // namespace coffer::app
