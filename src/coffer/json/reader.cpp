#include "coffer/json/reader.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <simdjson.h>

#include "coffer/base/assert.hpp"

namespace coffer::json {

static_assert(padding >= simdjson::SIMDJSON_PADDING);

std::string_view to_string(kind k) noexcept {
  constexpr std::array<std::string_view, 7> names = {"null",     "a boolean", "an integer", "a number",
                                                     "a string", "an array",  "an object"};
  return names[static_cast<std::size_t>(k)];
}

bool value::as_boolean() const {
  COFFER_ASSERT(kind_ == json::kind::boolean);
  return boolean_;
}

std::int64_t value::as_integer() const {
  COFFER_ASSERT(kind_ == json::kind::integer);
  return integer_;
}

std::string_view value::as_string() const {
  COFFER_ASSERT(kind_ == json::kind::string);
  return string_;
}

const std::vector<value>& value::elements() const {
  COFFER_ASSERT(kind_ == json::kind::array);
  return elements_;
}

const std::vector<member>& value::members() const {
  COFFER_ASSERT(kind_ == json::kind::object);
  return members_;
}

const value* value::find(std::string_view name) const {
  const auto& all = members();
  const auto found = std::find_if(all.begin(), all.end(), [name](const member& m) { return m.name == name; });
  return found == all.end() ? nullptr : &found->content;
}

/// The parser owns the tape and the strings that the values point to.
struct document::impl {
  simdjson::dom::parser parser;
  value root;
};

document::document(std::unique_ptr<impl> i) : impl_{std::move(i)} {}
document::document(document&&) noexcept = default;
document& document::operator=(document&&) noexcept = default;
document::~document() = default;

const value& document::root() const { return impl_->root; }

/// Copies simdjson's tree into ours.
class builder {
 public:
  result<value> build(simdjson::dom::element from) {
    if (++values_ > max_values) {
      return malformed(fmt::format("the document holds more than {} values", max_values));
    }
    value made;
    switch (from.type()) {
      case simdjson::dom::element_type::NULL_VALUE:
        break;
      case simdjson::dom::element_type::BOOL:
        made.kind_ = kind::boolean;
        made.boolean_ = from.get_bool().value_unsafe();
        break;
      case simdjson::dom::element_type::INT64:
        made.kind_ = kind::integer;
        made.integer_ = from.get_int64().value_unsafe();
        break;
      case simdjson::dom::element_type::STRING:
        made.kind_ = kind::string;
        made.string_ = from.get_string().value_unsafe();
        break;
      case simdjson::dom::element_type::ARRAY:
        return build_array(from.get_array().value_unsafe());
      case simdjson::dom::element_type::OBJECT:
        return build_object(from.get_object().value_unsafe());
      default:  // UINT64 beyond 2^63 and DOUBLE; newer versions add big integers
        made.kind_ = kind::number;
        break;
    }
    return made;
  }

 private:
  static std::unexpected<error> malformed(std::string detail) {
    return std::unexpected(error{errc::malformed_json, std::move(detail)});
  }

  result<value> build_array(simdjson::dom::array from) {
    value made;
    made.kind_ = kind::array;
    for (const simdjson::dom::element element : from) {
      result<value> v = build(element);
      if (!v) {
        return v;
      }
      made.elements_.push_back(*std::move(v));
    }
    return made;
  }

  result<value> build_object(simdjson::dom::object from) {
    value made;
    made.kind_ = kind::object;
    for (const auto field : from) {
      result<value> v = build(field.value);
      if (!v) {
        return v;
      }
      made.members_.push_back({field.key, *std::move(v)});
    }
    if (const auto twice = find_duplicate(made.members_); !twice.empty()) {
      return malformed(fmt::format("the member \"{}\" appears twice", twice.substr(0, 64)));
    }
    return made;
  }

  static std::string_view find_duplicate(const std::vector<member>& members) {
    std::vector<std::string_view> names;
    names.reserve(members.size());
    for (const member& m : members) {
      names.push_back(m.name);
    }
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    return twice == names.end() ? std::string_view{} : *twice;
  }

  std::size_t values_ = 0;
};

namespace {

std::string explain(simdjson::error_code code) {
  switch (code) {
    case simdjson::DEPTH_ERROR:
      return fmt::format("the document nests deeper than {} levels", max_depth);
    case simdjson::UTF8_ERROR:
      return "the document is not valid UTF-8";
    case simdjson::EMPTY:
      return "the document is empty";
    case simdjson::UNCLOSED_STRING:
      return "a string is not closed";
    case simdjson::STRING_ERROR:
    case simdjson::UNESCAPED_CHARS:
      return "a string holds a character or escape that JSON does not allow";
    case simdjson::NUMBER_ERROR:
      return "a number is malformed or out of range";
    default:
      return "the document is not valid JSON";
  }
}

}  // namespace

result<document> parse(std::string& body) {
  if (body.starts_with("\xEF\xBB\xBF")) {
    return std::unexpected(error{errc::malformed_json, "the document starts with a byte order mark"});
  }
  body.reserve(body.size() + padding);
  auto made = std::make_unique<document::impl>();
  // One level more, because the library counts the root scalar; simdjson counts containers from 1.
  if (const auto code = made->parser.allocate(std::max<std::size_t>(body.size(), 1), max_depth + 1);
      code != simdjson::SUCCESS) {
    throw std::bad_alloc{};
  }
  simdjson::dom::element root;
  const auto code = made->parser.parse(body.data(), body.size(), false).get(root);
  if (code != simdjson::SUCCESS) {
    return std::unexpected(error{errc::malformed_json, explain(code)});
  }
  result<value> tree = builder{}.build(root);
  if (!tree) {
    return std::unexpected(std::move(tree).error());
  }
  made->root = *std::move(tree);
  return document{std::move(made)};
}

}  // namespace coffer::json
