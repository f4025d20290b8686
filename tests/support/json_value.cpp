#include "support/json_value.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <ostream>

#include <fmt/format.h>

namespace coffer::test {

/// Recursive descent over one document.
class json_parser {
 public:
  explicit json_parser(std::string_view text) : text_{text} {}

  json_value document() {
    json_value value = any(0);
    skip_space();
    if (at_ != text_.size()) {
      fail("something follows the document");
    }
    return value;
  }

 private:
  [[noreturn]] void fail(std::string_view what) const {
    throw std::runtime_error(fmt::format("not JSON: {} at byte {} of: {}", what, at_, text_.substr(0, 2000)));
  }

  void skip_space() {
    while (at_ < text_.size() && std::string_view{" \t\r\n"}.contains(text_[at_])) {
      ++at_;
    }
  }
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(std::string_view token) {
    if (!text_.substr(at_).starts_with(token)) {
      return false;
    }
    at_ += token.size();
    return true;
  }
  void expect(std::string_view token) {
    skip_space();
    if (!take(token)) {
      fail(fmt::format("expected {}", token));
    }
  }

  json_value any(int depth) {
    if (depth > 64) {
      fail("too deep");
    }
    skip_space();
    json_value value;
    if (peek() == '{') {
      value.value_ = object(depth);
    } else if (peek() == '[') {
      value.value_ = array(depth);
    } else if (peek() == '"') {
      value.value_ = string();
    } else if (take("true")) {
      value.value_ = true;
    } else if (take("false")) {
      value.value_ = false;
    } else if (!take("null")) {
      number(value);
    }
    return value;
  }

  json_value::object object(int depth) {
    json_value::object members;
    expect("{");
    skip_space();
    if (take("}")) {
      return members;
    }
    do {
      skip_space();
      std::string name = string();
      const bool known = std::any_of(members.begin(), members.end(), [&](const auto& m) { return m.first == name; });
      if (known) {
        fail("duplicate member " + name);
      }
      expect(":");
      members.emplace_back(std::move(name), any(depth + 1));
      skip_space();
    } while (take(","));
    expect("}");
    return members;
  }

  json_value::array array(int depth) {
    json_value::array elements;
    expect("[");
    skip_space();
    if (take("]")) {
      return elements;
    }
    do {
      elements.push_back(any(depth + 1));
      skip_space();
    } while (take(","));
    expect("]");
    return elements;
  }

  std::string string() {
    if (!take("\"")) {
      fail("expected a string");
    }
    std::string value;
    while (!take("\"")) {
      if (at_ >= text_.size() || static_cast<unsigned char>(text_[at_]) < 0x20) {
        fail("bad character in a string");
      }
      if (text_[at_] == '\\') {
        escape(value);
      } else {
        value += text_[at_++];
      }
    }
    return value;
  }

  void escape(std::string& value) {
    constexpr std::string_view from = "\"\\/bfnrt";
    constexpr std::string_view to = "\"\\/\b\f\n\r\t";
    ++at_;
    if (const auto i = from.find(peek()); i != std::string_view::npos && at_ < text_.size()) {
      value += to[i];
      ++at_;
      return;
    }
    if (!take("u")) {
      fail("unknown escape");
    }
    std::uint32_t point = hex4();
    if (point >= 0xD800 && point < 0xDC00 && take("\\u")) {
      const std::uint32_t low = hex4();
      if (low < 0xDC00 || low > 0xDFFF) {
        fail("half a surrogate pair");
      }
      point = 0x10000 + ((point - 0xD800) << 10U) + (low - 0xDC00);
    }
    if (point >= 0xD800 && point < 0xE000) {
      fail("half a surrogate pair");
    }
    append_utf8(value, point);
  }

  std::uint32_t hex4() {
    std::uint32_t value = 0;
    const auto part = text_.substr(at_, 4);
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value, 16);
    if (part.size() != 4 || error != std::errc{} || end != part.data() + 4) {
      fail("bad \\u escape");
    }
    at_ += 4;
    return value;
  }

  static void append_utf8(std::string& value, std::uint32_t point) {
    const auto put = [&](std::uint32_t byte) { value += static_cast<char>(byte); };
    if (point < 0x80) {
      put(point);
    } else if (point < 0x800) {
      put(0xC0 | point >> 6U), put(0x80 | (point & 0x3F));
    } else if (point < 0x10000) {
      put(0xE0 | point >> 12U), put(0x80 | (point >> 6U & 0x3F)), put(0x80 | (point & 0x3F));
    } else {
      put(0xF0 | point >> 18U), put(0x80 | (point >> 12U & 0x3F)), put(0x80 | (point >> 6U & 0x3F)),
          put(0x80 | (point & 0x3F));
    }
  }

  void digits() {
    const auto begin = at_;
    while (peek() >= '0' && peek() <= '9') {
      ++at_;
    }
    if (at_ == begin) {
      fail("expected a value");
    }
  }

  void number(json_value& value) {
    const auto begin = at_;
    take("-");
    if (!take("0")) {
      digits();
    }
    bool whole = true;
    if (take(".")) {
      digits();
      whole = false;
    }
    if (take("e") || take("E")) {
      if (!take("+")) {
        take("-");
      }
      digits();
      whole = false;
    }
    const std::string_view text = text_.substr(begin, at_ - begin);
    std::int64_t integer = 0;
    if (whole && std::from_chars(text.data(), text.data() + text.size(), integer).ec == std::errc{}) {
      value.value_ = integer;
      return;
    }
    value.value_ = std::strtod(std::string{text}.c_str(), nullptr);  // infinite or 0 when it is beyond a double
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

namespace {

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace

json_value json_value::parse(std::string_view text) { return json_parser{text}.document(); }

template <typename T>
const T& json_value::get(const char* kind) const {
  if (const T* held = std::get_if<T>(&value_)) {
    return *held;
  }
  throw std::runtime_error(fmt::format("not {}: {}", kind, dump()));
}

const json_value& json_value::operator[](std::string_view name) const {
  for (const auto& [key, value] : members()) {
    if (key == name) {
      return value;
    }
  }
  throw std::runtime_error(fmt::format("no member {} in: {}", name, dump()));
}

const json_value& json_value::operator[](std::size_t index) const {
  if (index >= elements().size()) {
    throw std::runtime_error(fmt::format("no element {} in: {}", index, dump()));
  }
  return elements()[index];
}

bool json_value::contains(std::string_view name) const {
  const auto& all = members();
  return std::any_of(all.begin(), all.end(), [&](const auto& m) { return m.first == name; });
}

std::size_t json_value::size() const { return is_array() ? elements().size() : members().size(); }

std::vector<std::string> json_value::names() const {
  std::vector<std::string> list;
  for (const auto& member : members()) {
    list.push_back(member.first);
  }
  return list;
}

std::int64_t json_value::integer() const { return get<std::int64_t>("an integer"); }
double json_value::number() const { return is_integer() ? static_cast<double>(integer()) : get<double>("a number"); }
bool json_value::boolean() const { return get<bool>("a boolean"); }
const std::string& json_value::text() const { return get<std::string>("a string"); }
const json_value::array& json_value::elements() const { return get<array>("an array"); }
const json_value::object& json_value::members() const { return get<object>("an object"); }

std::string json_value::dump() const {
  if (is_null()) {
    return "null";
  }
  if (const bool* b = std::get_if<bool>(&value_)) {
    return *b ? "true" : "false";
  }
  if (is_integer()) {
    return std::to_string(integer());
  }
  if (const double* real = std::get_if<double>(&value_)) {
    std::string digits = fmt::format("{}", *real);
    // A real number stays one when it is read again.
    return digits.find_first_of(".e") == std::string::npos ? digits + ".0" : digits;
  }
  if (is_string()) {
    return in_quotes(text());
  }
  std::string out;
  if (is_array()) {
    for (const json_value& element : elements()) {
      out += (out.empty() ? "" : ",") + element.dump();
    }
    return "[" + out + "]";
  }
  for (const auto& [name, value] : members()) {
    out += (out.empty() ? "" : ",") + in_quotes(name) + ":" + value.dump();
  }
  return "{" + out + "}";
}

std::ostream& operator<<(std::ostream& out, const json_value& value) { return out << value.dump(); }

bool operator==(const json_value& a, const json_value& b) {
  if (!a.is_object() || !b.is_object()) {
    return a.value_ == b.value_;
  }
  if (a.size() != b.size()) {
    return false;
  }
  return std::all_of(a.members().begin(), a.members().end(),
                     [&](const auto& m) { return b.contains(m.first) && b[m.first] == m.second; });
}

}  // namespace coffer::test
