#include "coffer/app/doctor.hpp"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "coffer/app/doctor_looks.hpp"
#include "coffer/app/run_blocking.hpp"
#include "coffer/base/log.hpp"
#include "coffer/json/writer.hpp"

namespace coffer::app {

std::string_view to_string(health_grade grade) noexcept {
  switch (grade) {
    case health_grade::good:
      return "ok";
    case health_grade::doubtful:
      return "warning";
    case health_grade::bad:
      break;
  }
  return "failed";
}

bool diagnosis::can_serve() const noexcept {
  return std::ranges::none_of(findings, [](const finding& f) { return f.grade == health_grade::bad; });
}

std::string diagnosis::to_text() const {
  std::string out;
  for (const finding& f : findings) {
    out += fmt::format("{:<8}{:<13}{}\n", to_string(f.grade), f.subject, f.detail);
    if (!f.remedy.empty()) {
      out += fmt::format("{:21}-> {}\n", "", f.remedy);
    }
  }
  const auto doubts = std::ranges::count(findings, health_grade::doubtful, &finding::grade);
  if (!can_serve()) {
    out += "\nA server with these settings would not be ready.\n";
  } else if (doubts > 0) {
    out += fmt::format("\nA server with these settings would serve; {} warning{}.\n", doubts, doubts == 1 ? "" : "s");
  } else {
    out += "\nA server with these settings would serve.\n";
  }
  return out;
}

std::string diagnosis::to_json() const {
  std::string text;
  json::writer out{text};
  out.begin_object();
  out.key("can_serve");
  out.value(can_serve());
  out.key("findings");
  out.begin_array();
  for (const finding& f : findings) {
    out.begin_object();
    out.key("subject");
    out.value(f.subject);
    out.key("grade");
    out.value(to_string(f.grade));
    out.key("detail");
    out.value(f.detail);
    out.key("remedy");
    if (f.remedy.empty()) {
      out.null();
    } else {
      out.value(f.remedy);
    }
    out.end_object();
  }
  out.end_array();
  out.end_object();
  return text + "\n";
}

namespace {

finding source_found(const settings_source& source) {
  finding f{.subject = "settings", .detail = "from flags and the environment", .remedy = {}};
  if (!source.file.empty()) {
    f.detail = fmt::format("from flags, the environment and {}", source.file);
  }
  if (!source.trouble.empty()) {
    f.grade = health_grade::doubtful;
    f.detail = source.trouble;
    f.remedy = "run it as root, who may read what the service gets, or name another file with --env-file";
  }
  return f;
}

}  // namespace

diagnosis examine(const settings& s, const settings_source& source) {
  log::configure(log::level::error, s.log_format);  // what is found is the report's to tell
  diagnosis all;
  const auto take = [&all](std::vector<finding> some) {
    all.findings.insert(all.findings.end(), std::make_move_iterator(some.begin()), std::make_move_iterator(some.end()));
  };
  all.findings.push_back(source_found(source));
  take(run_blocking(look_at_database(s)));
  take(run_blocking(look_at_cache(s)));
  take(look_at_access(s));
  take(look_at_tokens(s));
  all.findings.push_back(look_at_certificate(s));
  all.findings.push_back(look_at_descriptors(s));
  take(look_at_addresses(s));
  return all;
}

}  // namespace coffer::app
