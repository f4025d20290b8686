// A request body described once: from the description come parsing, the complete list of violations, and what a
// generator of documentation needs to know. Knows no HTTP and no economy.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "coffer/base/ascii.hpp"
#include "coffer/base/assert.hpp"
#include "coffer/base/clock.hpp"
#include "coffer/base/error.hpp"
#include "coffer/base/strong.hpp"
#include "coffer/base/text.hpp"
#include "coffer/json/reader.hpp"
#include "coffer/json/writer.hpp"

namespace coffer::json {

/// The largest integer that every JSON reader keeps exact (RFC 8259 section 6).
inline constexpr std::int64_t max_exact_integer = (std::int64_t{1} << 53) - 1;

/// How many violations one answer lists. The rest would not help, and a small body must not make a huge answer.
inline constexpr std::size_t max_violations = 64;

/// An integer from `minimum` to `maximum`, both included and both inside the exact range (asserted).
struct integer {
  std::int64_t minimum = -max_exact_integer;
  std::int64_t maximum = max_exact_integer;
};

/// true or false.
struct boolean {};

/// A time in RFC 3339, read with any offset and to the microsecond.
struct date_time {};

/// What characters a string may consist of.
enum class charset : std::uint8_t {
  line,      ///< anything but control characters (U+0000..U+001F, U+007F)
  text,      ///< as line, and tab, line feed, carriage return
  username,  ///< A-Z a-z 0-9 . _ -
  email,     ///< one @ between a local part and a domain with a dot, printable ASCII without spaces
};

/// A string of `min_length` to `max_length` code points out of `chars`.
struct text {
  std::size_t min_length = 0;
  std::size_t max_length = 0;
  charset chars = charset::line;
};

/// One of a few strings.
struct choice {
  std::vector<std::string_view> names;
};

/// The violations found so far, by the contract's pointers ("#/amount"); those beyond max_violations are dropped.
class violations {
 public:
  void add(std::string_view member, std::string code, std::string detail,
           std::vector<std::pair<std::string, std::int64_t>> params = {});
  /// Adds what is wrong with something inside the body; `where` is its pointer, e.g. "#/operations/3".
  void add_nested(std::string_view where, std::vector<field_error> inside);
  [[nodiscard]] bool empty() const { return list_.empty(); }
  [[nodiscard]] std::vector<field_error> take() && { return std::move(list_); }

 private:
  std::vector<field_error> list_;
};

/// What documentation needs to know of one member.
struct member_info {
  std::string_view name;
  std::string_view type;  ///< "integer", "boolean", "string"
  bool required = false;
  bool nullable = false;   ///< null is allowed
  bool null_says = false;  ///< null is a value of its own, not the same as leaving the member out
  std::string_view description;
  std::optional<std::int64_t> minimum, maximum;  ///< of an integer's value or a string's length
  std::vector<std::string_view> names;           ///< of a choice
  std::string_view pattern;                      ///< of a string (ECMA-262, Unicode); empty: any
  std::string_view format;                       ///< of a string, e.g. "date-time"
  std::string initial;                           ///< as JSON: what an absent member means; empty: nothing
  std::string items;                             ///< of an array: the JSON Schema of its elements
};

namespace detail {

// Each check gives the value, or adds a violation and gives nullopt.
std::optional<std::int64_t> check(const value& v, const integer& rule, std::string_view member, violations& found);
std::optional<bool> check(const value& v, const boolean& rule, std::string_view member, violations& found);
std::optional<timestamp> check(const value& v, const date_time& rule, std::string_view member, violations& found);
std::optional<std::string> check(const value& v, const text& rule, std::string_view member, violations& found);
std::optional<std::size_t> check(const value& v, const choice& rule, std::string_view member, violations& found);

member_info describe(const integer& rule);
member_info describe(const boolean& rule);
member_info describe(const date_time& rule);
member_info describe(const text& rule);
member_info describe(const choice& rule);

/// A member that exists but cannot be given.
struct fixed_member {
  std::string_view name;
  std::string_view why;
};

/// Refuses anything but an object, then every member that is fixed or not known.
bool check_object(const value& v, const std::vector<std::string_view>& known, const std::vector<fixed_member>& fixed,
                  violations& found);

template <typename T>
struct remove_optional {
  using type = T;
};
template <typename T>
struct remove_optional<std::optional<T>> {
  using type = T;
};

/// The initial value of a field as JSON: what leaving the member out means.
template <typename Rule, typename Field>
inline std::string initial_json(const Rule& rule, const Field& initial) {
  std::string json;
  if constexpr (std::same_as<Rule, choice>) {
    append_string(json, rule.names.at(static_cast<std::size_t>(initial) - 1));
  } else if constexpr (std::same_as<Field, std::string>) {
    // A text that may not be given stands for none.
    if (initial.size() >= rule.min_length) {
      append_string(json, initial);
    }
  } else {
    writer{json}.value(initial);
  }
  return json;
}

template <typename T>
struct is_strong : std::false_type {};
template <typename Tag>
struct is_strong<strong<Tag>> : std::true_type {};

/// The member's own type out of what a check gives.
template <typename Target, typename Checked>
Target convert(Checked checked) {
  if constexpr (is_strong<Target>::value) {
    return Target{checked};
  } else if constexpr (std::is_enum_v<Target>) {
    // A choice lists its names in the order of the enumeration, which counts from 1.
    return static_cast<Target>(checked + 1);
  } else {
    return Target(std::move(checked));
  }
}

}  // namespace detail

/// The description of a body type. Built once, at start; constant and thread-safe afterwards.
template <typename Body>
class object {
 public:
  explicit object(std::string_view name) : name_{name} {}

  /// A member that must be there.
  template <typename Field, typename Rule>
  object& required(std::string_view name, Field Body::* field, Rule rule, std::string_view description) {
    return add(name, field, std::move(rule), description, true);
  }

  /// A member that may be left out, or be null, which says the same: the field keeps its initial value.
  template <typename Field, typename Rule>
  object& optional(std::string_view name, Field Body::* field, Rule rule, std::string_view description) {
    return add(name, field, std::move(rule), description, false);
  }

  /// A member of a change: left out, it stays nullopt; null becomes an engaged field that holds nothing.
  template <typename Target, typename Rule>
  object& clearable(std::string_view name, std::optional<std::optional<Target>> Body::* field, Rule rule,
                    std::string_view description) {
    member_info info = detail::describe(rule);
    info.nullable = true;
    info.null_says = true;
    describe_member(name, std::move(info), description, false,
                    [name, field, rule = std::move(rule)](const value& v, Body& body, violations& found) {
                      if (v.kind() == kind::null) {
                        (body.*field).emplace(std::nullopt);
                      } else if (auto checked = detail::check(v, rule, name, found)) {
                        (body.*field).emplace(detail::convert<Target>(*std::move(checked)));
                      }
                    });
    return *this;
  }

  /// A member of the resource that this body cannot set: naming it is refused with the code "immutable" and `why`.
  object& fixed(std::string_view name, std::string_view why) {
    fixed_.push_back({name, why});
    return *this;
  }

  /// A member with a structure of its own: `read` sets the body or adds to the violations.
  object& structured(member_info info, std::function<void(const value&, Body&, violations&)> read) {
    names_.push_back(info.name);
    entries_.push_back({std::move(info), std::move(read)});
    return *this;
  }

  /// A rule that looks at the whole body. Called only when every member is valid by itself.
  object& rule(std::function<void(const Body&, violations&)> check) {
    rules_.push_back(std::move(check));
    return *this;
  }

  /// A body without any member that says something is refused with the code "min_members".
  object& at_least_one() {
    at_least_one_ = true;
    return *this;
  }

  /// Reads a parsed document. Refusal: validation_failed with every violation.
  [[nodiscard]] result<Body> read(const value& root) const {
    Body body{};
    violations found;
    if (detail::check_object(root, names_, fixed_, found)) {
      std::size_t given = 0;
      for (const entry& e : entries_) {
        const value* v = root.find(e.info.name);
        if (v == nullptr) {
          if (e.info.required) {
            found.add(e.info.name, "required", "is required");
          }
          continue;
        }
        given += v->kind() == kind::null && !e.info.null_says ? 0U : 1U;
        e.read(*v, body, found);
      }
      if (found.empty() && at_least_one_ && given == 0) {
        found.add("", "min_members", "must name at least one member to change", {{"minimum", 1}});
      }
      if (found.empty()) {
        for (const auto& check : rules_) {
          check(body, found);
        }
      }
    }
    if (!found.empty()) {
      error refusal{errc::validation_failed};
      refusal.fields = std::move(found).take();
      return std::unexpected(std::move(refusal));
    }
    return body;
  }

  /// Parses and reads. Refusals: malformed_json, validation_failed.
  [[nodiscard]] result<Body> read(std::string& bytes) const {
    result<document> parsed = parse(bytes);
    if (!parsed) {
      return std::unexpected(std::move(parsed).error());
    }
    return read(parsed->root());
  }

  [[nodiscard]] std::string_view name() const { return name_; }
  [[nodiscard]] std::vector<member_info> members() const {
    std::vector<member_info> all;
    all.reserve(entries_.size());
    for (const entry& e : entries_) {
      all.push_back(e.info);
    }
    return all;
  }
  [[nodiscard]] bool needs_one() const { return at_least_one_; }

 private:
  struct entry {
    member_info info;
    std::function<void(const value&, Body&, violations&)> read;
  };

  template <typename Field, typename Rule>
  object& add(std::string_view name, Field Body::* field, Rule rule, std::string_view description, bool required) {
    member_info info = detail::describe(rule);
    info.nullable = !required;
    if constexpr (std::same_as<typename detail::remove_optional<Field>::type, Field> &&
                  !detail::is_strong<Field>::value) {
      if (!required) {
        info.initial = detail::initial_json(rule, Body{}.*field);
      }
    }
    auto read = [name, field, rule = std::move(rule), required](const value& v, Body& body, violations& found) {
      using target = typename detail::remove_optional<Field>::type;
      if (!required && v.kind() == kind::null) {
        return;
      }
      if (auto checked = detail::check(v, rule, name, found)) {
        body.*field = detail::convert<target>(*std::move(checked));
      }
    };
    describe_member(name, std::move(info), description, required, std::move(read));
    return *this;
  }

  void describe_member(std::string_view name, member_info info, std::string_view description, bool required,
                       std::function<void(const value&, Body&, violations&)> read) {
    info.name = name;
    info.required = required;
    info.description = description;
    names_.push_back(name);
    entries_.push_back({std::move(info), std::move(read)});
  }

  std::string_view name_;
  std::vector<std::string_view> names_;
  std::vector<detail::fixed_member> fixed_;
  std::vector<entry> entries_;
  std::vector<std::function<void(const Body&, violations&)>> rules_;
  bool at_least_one_ = false;
};

namespace detail {

/// A member's name as a JSON pointer in a URI fragment (RFC 6901 sections 3 and 6). Other characters than the ones
/// below are percent-encoded.
inline std::string pointer_to(std::string_view member) {
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
    } else if (ascii::is_alphanumeric(c) || std::string_view{"-._!$&'()*+,;=:@"}.contains(c)) {
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

inline std::string join(const std::vector<std::string_view>& names) {
  std::string list;
  for (const std::string_view name : names) {
    list += list.empty() ? "" : ", ";
    list += name;
  }
  return list;
}

inline std::size_t count_code_points(std::string_view utf8) {
  return static_cast<std::size_t>(
      std::count_if(utf8.begin(), utf8.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

inline std::string characters(std::size_t count) { return fmt::format("{} character{}", count, count == 1 ? "" : "s"); }

inline bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

inline bool is_username_char(char c) { return ascii::is_alphanumeric(c) || c == '.' || c == '_' || c == '-'; }

/// A plausible address, not RFC 5322: exactly one @, something before it, a dotted domain of letters, digits and
/// hyphens after it. Whether mail arrives, only mail can tell.
inline bool is_email(std::string_view s) {
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
    const bool plain =
        std::all_of(label.begin(), label.end(), [](char c) { return ascii::is_alphanumeric(c) || c == '-'; });
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

inline charset_rule rule_of(charset chars) {
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

inline void add_type_error(violations& found, std::string_view member, std::string_view wanted, const value& v) {
  found.add(member, "type", fmt::format("must be {}, not {}", wanted, to_string(v.kind())));
}

}  // namespace detail

/// Whether the rule allows `s`, which comes from elsewhere than a document: it must be UTF-8, too.
inline bool allows(const text& rule, std::string_view s) {
  std::size_t length = 0;
  for (std::string_view rest = s; !rest.empty(); ++length) {
    const std::size_t size = utf8_sequence(rest);
    if (size == 0) {
      return false;
    }
    rest.remove_prefix(size);
  }
  return length >= rule.min_length && length <= rule.max_length && detail::rule_of(rule.chars).holds(s);
}

inline void violations::add(std::string_view member, std::string code, std::string detail,
                            std::vector<std::pair<std::string, std::int64_t>> params) {
  if (list_.size() == max_violations) {
    return;
  }
  list_.push_back({detail::pointer_to(member), std::move(code), std::move(detail), std::move(params)});
}

inline void violations::add_nested(std::string_view where, std::vector<field_error> inside) {
  for (field_error& each : inside) {
    if (list_.size() == max_violations) {
      return;
    }
    each.pointer = std::string{where} + each.pointer.substr(1);
    list_.push_back(std::move(each));
  }
}

namespace detail {

inline std::optional<std::int64_t> check(const value& v, const integer& rule, std::string_view member,
                                         violations& found) {
  if (v.kind() != kind::integer) {
    detail::add_type_error(found, member, "an integer", v);
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

inline std::optional<bool> check(const value& v, const boolean&, std::string_view member, violations& found) {
  if (v.kind() != kind::boolean) {
    detail::add_type_error(found, member, "a boolean", v);
    return std::nullopt;
  }
  return v.as_boolean();
}

inline std::optional<timestamp> check(const value& v, const date_time&, std::string_view member, violations& found) {
  if (v.kind() != kind::string) {
    detail::add_type_error(found, member, "a string", v);
    return std::nullopt;
  }
  const auto time = from_rfc3339(v.as_string());
  if (!time) {
    found.add(member, "date_time", "must be a time in RFC 3339, e.g. 2026-01-31T18:00:00Z");
  }
  return time;
}

inline std::optional<std::string> check(const value& v, const text& rule, std::string_view member, violations& found) {
  if (v.kind() != kind::string) {
    detail::add_type_error(found, member, "a string", v);
    return std::nullopt;
  }
  const std::string_view s = v.as_string();
  const std::size_t length = detail::count_code_points(s);
  if (length < rule.min_length) {
    found.add(member, "min_length", fmt::format("must have at least {}", detail::characters(rule.min_length)),
              {{"min_length", static_cast<std::int64_t>(rule.min_length)}});
    return std::nullopt;
  }
  if (length > rule.max_length) {
    found.add(member, "max_length", fmt::format("must have at most {}", detail::characters(rule.max_length)),
              {{"max_length", static_cast<std::int64_t>(rule.max_length)}});
    return std::nullopt;
  }
  const detail::charset_rule chars = detail::rule_of(rule.chars);
  if (!chars.holds(s)) {
    found.add(member, "pattern", std::string{chars.detail});
    return std::nullopt;
  }
  return std::string{s};
}

inline std::optional<std::size_t> check(const value& v, const choice& rule, std::string_view member,
                                        violations& found) {
  if (v.kind() != kind::string) {
    detail::add_type_error(found, member, "a string", v);
    return std::nullopt;
  }
  const auto name = std::find(rule.names.begin(), rule.names.end(), v.as_string());
  if (name == rule.names.end()) {
    found.add(member, "enum", "must be one of: " + detail::join(rule.names));
    return std::nullopt;
  }
  return static_cast<std::size_t>(name - rule.names.begin());
}

inline member_info describe(const integer& rule) {
  COFFER_ASSERT(-max_exact_integer <= rule.minimum && rule.minimum <= rule.maximum &&
                rule.maximum <= max_exact_integer);
  member_info info;
  info.type = "integer";
  info.minimum = rule.minimum;
  info.maximum = rule.maximum;
  return info;
}

inline member_info describe(const boolean&) {
  member_info info;
  info.type = "boolean";
  return info;
}

inline member_info describe(const date_time&) {
  member_info info;
  info.type = "string";
  info.format = "date-time";
  info.maximum = static_cast<std::int64_t>(longest_time);
  return info;
}

inline member_info describe(const text& rule) {
  member_info info;
  info.type = "string";
  info.minimum = static_cast<std::int64_t>(rule.min_length);
  info.maximum = static_cast<std::int64_t>(rule.max_length);
  info.pattern = detail::rule_of(rule.chars).pattern;
  return info;
}

inline member_info describe(const choice& rule) {
  member_info info;
  info.type = "string";
  info.names = rule.names;
  return info;
}

inline bool check_object(const value& v, const std::vector<std::string_view>& known,
                         const std::vector<fixed_member>& fixed, violations& found) {
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
      found.add(m.name, "unknown_member", "is not known here; known are: " + detail::join(known));
    }
  }
  return true;
}

}  // namespace detail

}  // namespace coffer::json
