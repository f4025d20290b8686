#include "coffer/json/schema.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "coffer/base/assert.hpp"
#include "coffer/base/text.hpp"

namespace coffer::json {

namespace {

/// A member's name as a JSON pointer in a URI fragment (RFC 6901 sections 3 and 6). Other characters than the ones
/// below are percent-encoded.
std::string pointer_to(std::string_view member) {
  std::string pointer = "#";
  if (!member.empty()) {
    pointer += '/';
  }
  for (const char c : truncate(member, 64)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '~') {
      pointer += "~0";
    } else if (c == '/') {
      pointer += "~1";
    } else if ((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
               std::string_view{"-._!$&'()*+,;=:@"}.contains(c)) {
      pointer += c;
    } else {
      constexpr std::string_view hex = "0123456789ABCDEF";
      pointer += '%';
      pointer += hex[byte >> 4U];
      pointer += hex[byte & 15U];
    }
  }
  return pointer;
}

std::string join(const std::vector<std::string_view>& names) {
  std::string list;
  for (const std::string_view name : names) {
    list += list.empty() ? "" : ", ";
    list += name;
  }
  return list;
}

std::size_t count_code_points(std::string_view utf8) {
  return static_cast<std::size_t>(
      std::count_if(utf8.begin(), utf8.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::string characters(std::size_t count) { return fmt::format("{} character{}", count, count == 1 ? "" : "s"); }

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

bool is_username_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

/// A plausible address, not RFC 5322: exactly one @, something before it, a dotted domain of letters, digits and
/// hyphens after it. Whether mail arrives, only mail can tell.
bool is_email(std::string_view s) {
  const std::size_t at = s.find('@');
  if (at == std::string_view::npos || at == 0 || at > 64 || std::count(s.begin(), s.end(), '@') != 1) {
    return false;
  }
  if (!std::all_of(s.begin(), s.end(),
                   [](char c) { return c > ' ' && c < 0x7F && c != '"' && c != '<' && c != '>'; })) {
    return false;
  }
  const std::string_view domain = s.substr(at + 1);
  if (!domain.contains('.')) {
    return false;
  }
  std::size_t start = 0;
  while (start <= domain.size()) {
    const std::size_t end = std::min(domain.find('.', start), domain.size());
    const std::string_view label = domain.substr(start, end - start);
    const bool plain = std::all_of(label.begin(), label.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
    });
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-' || !plain) {
      return false;
    }
    start = end + 1;
  }
  return true;
}

struct charset_rule {
  bool (*holds)(std::string_view);
  std::string_view detail;
  std::string_view pattern;  ///< the same as a regular expression, for documents
};

charset_rule rule_of(charset chars) {
  switch (chars) {
    case charset::line:
      return {[](std::string_view s) { return std::none_of(s.begin(), s.end(), is_control); },
              "must not contain control characters", R"(^[^\u0000-\u001f\u007f]*$)"};
    case charset::text:
      return {[](std::string_view s) {
                return std::none_of(s.begin(), s.end(),
                                    [](char c) { return is_control(c) && c != '\n' && c != '\r' && c != '\t'; });
              },
              "must not contain control characters other than tab and line breaks",
              R"(^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]*$)"};
    case charset::username:
      return {[](std::string_view s) { return std::all_of(s.begin(), s.end(), is_username_char); },
              "may contain only letters A-Z a-z, digits, '.', '_' and '-'", "^[A-Za-z0-9._-]*$"};
    case charset::email:
      return {is_email, "must be an e-mail address like name@example.com",
              "^[!#-;=?A-~]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
              R"((?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+$)"};
  }
  return {[](std::string_view) { return false; }, "", ""};
}

void add_type_error(violations& found, std::string_view member, std::string_view wanted, const value& v) {
  found.add(member, "type", fmt::format("must be {}, not {}", wanted, to_string(v.kind())));
}

}  // namespace

bool allows(const text& rule, std::string_view s) {
  std::size_t length = 0;
  for (std::string_view rest = s; !rest.empty(); ++length) {
    const std::size_t size = utf8_sequence(rest);
    if (size == 0) {
      return false;
    }
    rest.remove_prefix(size);
  }
  return length >= rule.min_length && length <= rule.max_length && rule_of(rule.chars).holds(s);
}

void violations::add(std::string_view member, std::string code, std::string detail,
                     std::vector<std::pair<std::string, std::int64_t>> params) {
  if (list_.size() == max_violations) {
    return;
  }
  list_.push_back({pointer_to(member), std::move(code), std::move(detail), std::move(params)});
}

void violations::add_nested(std::string_view where, std::vector<field_error> inside) {
  for (field_error& each : inside) {
    if (list_.size() == max_violations) {
      return;
    }
    each.pointer = std::string{where} + each.pointer.substr(1);
    list_.push_back(std::move(each));
  }
}

namespace detail {

std::optional<std::int64_t> check(const value& v, const integer& rule, std::string_view member, violations& found) {
  if (v.kind() != kind::integer) {
    add_type_error(found, member, "an integer", v);
    return std::nullopt;
  }
  const std::int64_t number = v.as_integer();
  if (number < rule.minimum && rule.minimum == 1) {
    found.add(member, "greater_than", "must be greater than 0", {{"limit", 0}});
    return std::nullopt;
  }
  if (number < rule.minimum) {
    found.add(member, "greater_than_or_equal", fmt::format("must be at least {}", rule.minimum),
              {{"minimum", rule.minimum}});
    return std::nullopt;
  }
  if (number > rule.maximum) {
    found.add(member, "less_than_or_equal", fmt::format("must be at most {}", rule.maximum),
              {{"maximum", rule.maximum}});
    return std::nullopt;
  }
  return number;
}

std::optional<bool> check(const value& v, const boolean&, std::string_view member, violations& found) {
  if (v.kind() != kind::boolean) {
    add_type_error(found, member, "a boolean", v);
    return std::nullopt;
  }
  return v.as_boolean();
}

std::optional<timestamp> check(const value& v, const date_time&, std::string_view member, violations& found) {
  if (v.kind() != kind::string) {
    add_type_error(found, member, "a string", v);
    return std::nullopt;
  }
  const auto time = from_rfc3339(v.as_string());
  if (!time) {
    found.add(member, "date_time", "must be a time in RFC 3339, e.g. 2026-01-31T18:00:00Z");
  }
  return time;
}

std::optional<std::string> check(const value& v, const text& rule, std::string_view member, violations& found) {
  if (v.kind() != kind::string) {
    add_type_error(found, member, "a string", v);
    return std::nullopt;
  }
  const std::string_view s = v.as_string();
  const std::size_t length = count_code_points(s);
  if (length < rule.min_length) {
    found.add(member, "min_length", fmt::format("must have at least {}", characters(rule.min_length)),
              {{"min_length", static_cast<std::int64_t>(rule.min_length)}});
    return std::nullopt;
  }
  if (length > rule.max_length) {
    found.add(member, "max_length", fmt::format("must have at most {}", characters(rule.max_length)),
              {{"max_length", static_cast<std::int64_t>(rule.max_length)}});
    return std::nullopt;
  }
  const charset_rule chars = rule_of(rule.chars);
  if (!chars.holds(s)) {
    found.add(member, "pattern", std::string{chars.detail});
    return std::nullopt;
  }
  return std::string{s};
}

std::optional<std::size_t> check(const value& v, const choice& rule, std::string_view member, violations& found) {
  if (v.kind() != kind::string) {
    add_type_error(found, member, "a string", v);
    return std::nullopt;
  }
  const auto name = std::find(rule.names.begin(), rule.names.end(), v.as_string());
  if (name == rule.names.end()) {
    found.add(member, "enum", "must be one of: " + join(rule.names));
    return std::nullopt;
  }
  return static_cast<std::size_t>(name - rule.names.begin());
}

member_info describe(const integer& rule) {
  COFFER_ASSERT(-max_exact_integer <= rule.minimum && rule.minimum <= rule.maximum &&
                rule.maximum <= max_exact_integer);
  member_info info;
  info.type = "integer";
  info.minimum = rule.minimum;
  info.maximum = rule.maximum;
  return info;
}

member_info describe(const boolean&) {
  member_info info;
  info.type = "boolean";
  return info;
}

member_info describe(const date_time&) {
  member_info info;
  info.type = "string";
  info.format = "date-time";
  info.maximum = static_cast<std::int64_t>(longest_time);
  return info;
}

member_info describe(const text& rule) {
  member_info info;
  info.type = "string";
  info.minimum = static_cast<std::int64_t>(rule.min_length);
  info.maximum = static_cast<std::int64_t>(rule.max_length);
  info.pattern = rule_of(rule.chars).pattern;
  return info;
}

member_info describe(const choice& rule) {
  member_info info;
  info.type = "string";
  info.names = rule.names;
  return info;
}

bool check_object(const value& v, const std::vector<std::string_view>& known, const std::vector<fixed_member>& fixed,
                  violations& found) {
  if (v.kind() != kind::object) {
    found.add("", "type", fmt::format("the body must be an object, not {}", to_string(v.kind())));
    return false;
  }
  for (const member& m : v.members()) {
    const auto unchangeable =
        std::find_if(fixed.begin(), fixed.end(), [&m](const fixed_member& f) { return f.name == m.name; });
    if (unchangeable != fixed.end()) {
      found.add(m.name, "immutable", std::string{unchangeable->why});
    } else if (std::find(known.begin(), known.end(), m.name) == known.end()) {
      found.add(m.name, "unknown_member", "is not known here; known are: " + join(known));
    }
  }
  return true;
}

}  // namespace detail

}  // namespace coffer::json
