#include "coffer/http/request.hpp"

#include <algorithm>
#include <array>

namespace coffer::http {

namespace {

constexpr std::array<std::string_view, 9> methods = {"GET",    "HEAD",    "POST",  "PUT",    "PATCH",
                                                     "DELETE", "OPTIONS", "TRACE", "CONNECT"};

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

std::string_view to_string(method m) noexcept { return methods[static_cast<std::size_t>(m)]; }

std::optional<method> method_from_string(std::string_view name) noexcept {
  const auto* found = std::find(methods.begin(), methods.end(), name);
  return found == methods.end() ? std::nullopt : std::optional{static_cast<method>(found - methods.begin())};
}

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

std::optional<std::string_view> request::header(single_field name) const {
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    const auto [n, v] = header_at(i);
    if (equal_ignoring_case(n, name.text())) {
      return v;
    }
  }
  return std::nullopt;
}

std::optional<std::string> request::list(std::string_view name) const {
  std::optional<std::string> all;
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    const auto [n, v] = header_at(i);
    if (!equal_ignoring_case(n, name)) {
      continue;
    }
    if (all) {
      all->append(", ").append(v);
    } else {
      all = v;
    }
  }
  return all;
}

std::size_t request::count(std::string_view name) const {
  std::size_t found = 0;
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    found += equal_ignoring_case(header_at(i).first, name) ? 1U : 0U;
  }
  return found;
}

std::pair<std::string_view, std::string_view> request::header_at(std::size_t index) const {
  const field& f = fields_[index];
  const std::string_view all{bytes_};
  return {all.substr(f.name, f.name_size), all.substr(f.value, f.value_size)};
}

void request::clear() {
  verb = method::get;
  minor_version = 1;
  keep_alive = true;
  body.clear();
  stream = nullptr;
  request_id.clear();
  target_.clear();
  path_begin_ = 0;
  path_end_ = 0;
  bytes_.clear();
  fields_.clear();
}

void request::set_target(std::string_view target) {
  target_ = target;
  path_begin_ = 0;
  const std::size_t scheme_end = target.find("://");
  if (scheme_end != std::string_view::npos && !target.starts_with('/')) {
    path_begin_ = std::min(target.find_first_of("/?", scheme_end + 3), target.size());
  }
  path_end_ = std::min(target.find('?', path_begin_), target.size());
}

void request::add_header(std::string_view name, std::string_view value) {
  const field f{bytes_.size(), name.size(), bytes_.size() + name.size(), value.size()};
  bytes_.append(name).append(value);
  fields_.push_back(f);
}

}  // namespace coffer::http
