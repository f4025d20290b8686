#include "coffer/json/reader.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <limits>
#include <memory_resource>
#include <vector>

#include <fmt/format.h>
#include <simdjson.h>

#include "coffer/base/assert.hpp"
#include "coffer/base/text.hpp"
#include "coffer/json/diagnose.hpp"
#include "coffer/json/number.hpp"

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

std::int64_t value::as_millionths() const {
  COFFER_ASSERT(kind_ == json::kind::integer || kind_ == json::kind::number);
  constexpr std::int64_t scale = 1'000'000;
  std::int64_t scaled = integer_;
  if (kind_ == json::kind::integer && __builtin_mul_overflow(integer_, scale, &scaled)) {
    scaled = integer_ > 0 ? std::numeric_limits<std::int64_t>::max() : std::numeric_limits<std::int64_t>::min();
  }
  return scaled;
}

std::string_view value::as_string() const {
  COFFER_ASSERT(kind_ == json::kind::string);
  return {string_, size_};
}

std::span<const value> value::elements() const {
  COFFER_ASSERT(kind_ == json::kind::array);
  return {elements_, size_};
}

std::span<const member> value::members() const {
  COFFER_ASSERT(kind_ == json::kind::object);
  return {members_, size_};
}

const value* value::find(std::string_view name) const {
  const auto all = members();
  const auto found = std::find_if(all.begin(), all.end(), [name](const member& m) { return m.name == name; });
  return found == all.end() ? nullptr : &found->content;
}

namespace {

/// A parser that has grown beyond this is not kept for the next document.
constexpr std::size_t kept_capacity = 65536;
/// The body limit of the server by default: a parser for it need never grow.
constexpr std::size_t usual_capacity = 16384;
/// Read for every document, written once at start.
std::atomic<std::size_t> deepest{usual_depth};

std::unexpected<error> malformed(std::string detail) {
  return std::unexpected(error{errc::malformed_json, std::move(detail)});
}

}  // namespace

void limit_depth(std::size_t levels) {
  COFFER_ASSERT(levels >= least_depth && levels <= most_depth);
  deepest.store(levels, std::memory_order_relaxed);
}

std::size_t depth_limit() noexcept { return deepest.load(std::memory_order_relaxed); }

/// The parser owns the strings that the values point to, `memory` the arrays and members.
struct document::impl {
  simdjson::dom::parser parser;
  std::array<std::byte, 4096> first;
  std::pmr::monotonic_buffer_resource memory{first.data(), first.size()};
  value root;

  /// Makes room for a document of `size` bytes.
  void reserve(std::size_t size) {
    const std::size_t parser_depth = depth_limit() + 1;  // simdjson counts a level for the document itself
    if (parser.capacity() < size || parser.max_depth() != parser_depth) {
      if (parser.allocate(std::max(size, usual_capacity), parser_depth) != simdjson::SUCCESS) {
        throw std::bad_alloc{};
      }
    }
  }

  /// Parses `text`, whose capacity is grown to hold the padding.
  bool parse(std::string& text, simdjson::dom::element& to) {
    text.reserve(text.size() + padding);
    return parser.parse(text.data(), text.size(), false).get(to) == simdjson::SUCCESS;
  }
};

std::unique_ptr<document::impl>& document::spare() {
  thread_local std::unique_ptr<impl> kept;
  return kept;
}

document::document() : impl_{std::move(spare())} {
  if (!impl_) {
    impl_ = std::make_unique<impl>();
  }
}

document::document(document&&) noexcept = default;
document& document::operator=(document&&) noexcept = default;

document::~document() {
  if (impl_ && impl_->parser.capacity() <= kept_capacity) {
    impl_->memory.release();
    spare() = std::move(impl_);
  }
}

const value& document::root() const { return impl_->root; }

namespace {

template <typename T>
std::span<T> allocate(std::pmr::memory_resource& memory, std::size_t count) {
  if (count == 0) {
    return {};
  }
  T* made = static_cast<T*>(memory.allocate(count * sizeof(T), alignof(T)));
  std::uninitialized_default_construct_n(made, count);
  return {made, count};
}

/// A member whose name another one has as well, or nullptr.
const member* find_duplicate(std::span<const member> members) {
  constexpr std::size_t few = 16;  // so few are compared in pairs faster than they are sorted
  if (members.size() <= few) {
    for (std::size_t i = 1; i < members.size(); ++i) {
      const auto before = members.first(i);
      if (std::any_of(before.begin(), before.end(), [&](const member& m) { return m.name == members[i].name; })) {
        return &members[i];
      }
    }
    return nullptr;
  }
  std::vector<const member*> sorted;
  sorted.reserve(members.size());
  for (const member& m : members) {
    sorted.push_back(&m);
  }
  std::sort(sorted.begin(), sorted.end(), [](const member* a, const member* b) { return a->name < b->name; });
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end(),
                                        [](const member* a, const member* b) { return a->name == b->name; });
  return twice == sorted.end() ? nullptr : *twice;
}

}  // namespace

/// The numbers of a valid document as they are spelled, which the parser's tree does not tell: it has them in floating
/// point. Only forward, so that all of them together cost one pass.
class number_spellings {
 public:
  explicit number_spellings(std::string_view document) : rest_{document} {}

  /// The number that has `index` others before it; indexes must rise.
  std::string_view at(std::size_t index) {
    std::string_view found;
    for (; passed_ <= index; ++passed_) {
      found = next();
    }
    return found;
  }

 private:
  std::string_view next() {
    for (;;) {
      rest_.remove_prefix(rest_.find_first_of("\"-0123456789"));
      if (rest_.front() != '"') {
        const std::string_view number = rest_.substr(0, rest_.find_first_not_of("+-.0123456789eE"));
        rest_.remove_prefix(number.size());
        return number;
      }
      std::size_t end = 1;
      while (rest_[end] != '"') {
        end += rest_[end] == '\\' ? 2U : 1U;
      }
      rest_.remove_prefix(end + 1);
    }
  }

  std::string_view rest_;
  std::size_t passed_ = 0;
};

/// Makes our values of simdjson's tree. Arrays and members are laid out once, at their exact size.
class builder {
 public:
  /// `text` is the document as it was sent.
  builder(std::pmr::memory_resource& memory, std::string_view text) : memory_{memory}, spellings_{text} {}

  /// Sets `made`, or gives false with the reason in refusal().
  bool build(simdjson::dom::element from, std::size_t depth, value& made) {
    switch (from.type()) {
      case simdjson::dom::element_type::NULL_VALUE:
        made.kind_ = kind::null;
        return true;
      case simdjson::dom::element_type::BOOL:
        made.kind_ = kind::boolean;
        made.boolean_ = from.get_bool().value_unsafe();
        return true;
      case simdjson::dom::element_type::INT64:
        ++numbers_;
        made.kind_ = kind::integer;
        made.integer_ = from.get_int64().value_unsafe();
        return true;
      case simdjson::dom::element_type::UINT64:  // used for what INT64 cannot hold
        ++numbers_;
        made.kind_ = kind::integer;
        made.integer_ = std::numeric_limits<std::int64_t>::max();
        return true;
      case simdjson::dom::element_type::STRING:
        set_string(from.get_string().value_unsafe(), made);
        return true;
      case simdjson::dom::element_type::ARRAY:
        return build_array(from.get_array().value_unsafe(), depth, made);
      case simdjson::dom::element_type::OBJECT:
        return build_object(from.get_object().value_unsafe(), depth, made);
      default:
        set_number(spellings_.at(numbers_++), made);
        return true;
    }
  }

  [[nodiscard]] std::string refusal() && { return std::move(refusal_); }

 private:
  bool refuse(std::string reason) {
    refusal_ = std::move(reason);
    return false;
  }

  static void set_number(std::string_view spelling, value& made) {
    const scaled_number whole = read_scaled(spelling);
    made.kind_ = whole.is_whole ? kind::integer : kind::number;
    made.integer_ = whole.is_whole ? whole.value : read_scaled(spelling, 6).value;
  }

  static void set_string(std::string_view text, value& made) {
    made.kind_ = kind::string;
    made.size_ = text.size();
    made.string_ = text.data();
  }

  /// Checks the limits for one more array or object. The parser lets an empty one pass at any depth.
  bool enter(std::size_t children, std::size_t depth) {
    if (depth >= depth_limit()) {
      return refuse(fmt::format("the document nests deeper than {} levels", depth_limit()));
    }
    values_ += children;
    return values_ <= max_values || refuse(fmt::format("the document holds more than {} values", max_values));
  }

  bool build_array(simdjson::dom::array from, std::size_t depth, value& made) {
    if (!enter(from.size(), depth)) {
      return false;
    }
    const auto elements = allocate<value>(memory_, from.size());
    auto next = elements.begin();
    for (const simdjson::dom::element element : from) {
      if (!build(element, depth + 1, *next++)) {
        return false;
      }
    }
    made.kind_ = kind::array;
    made.size_ = elements.size();
    made.elements_ = elements.data();
    return true;
  }

  bool build_object(simdjson::dom::object from, std::size_t depth, value& made) {
    if (!enter(from.size(), depth)) {
      return false;
    }
    const auto members = allocate<member>(memory_, from.size());
    auto next = members.begin();
    for (const auto field : from) {
      next->name = field.key;
      if (!build(field.value, depth + 1, next->content)) {
        return false;
      }
      ++next;
    }
    if (const member* twice = find_duplicate(members); twice != nullptr) {
      return refuse(fmt::format("the member \"{}\" appears twice", truncate(twice->name, 64)));
    }
    made.kind_ = kind::object;
    made.size_ = members.size();
    made.members_ = members.data();
    return true;
  }

  std::pmr::memory_resource& memory_;
  number_spellings spellings_;
  std::size_t numbers_ = 0;  ///< seen so far, in the order of the document
  std::size_t values_ = 1;
  std::string refusal_;
};

result<document> parse(std::string& body) {
  if (body.starts_with("\xEF\xBB\xBF")) {
    return malformed("the document starts with a byte order mark");
  }
  document made;
  document::impl& state = *made.impl_;
  state.reserve(body.size());
  simdjson::dom::element root;
  if (!state.parse(body, root)) {
    if (const auto where = find_fault(body)) {
      return malformed(describe(*where, body));
    }
    // Valid by the grammar, so the parser has refused a number beyond 64 bits. What to think of it, the reader of the
    // value knows.
    std::string bounded = with_bounded_numbers(body);
    if (!state.parse(bounded, root)) {
      return malformed("the document is not valid JSON");
    }
  }
  builder tree{state.memory, body};
  if (!tree.build(root, 0, state.root)) {
    return malformed(std::move(tree).refusal());
  }
  return made;
}

}  // namespace coffer::json
