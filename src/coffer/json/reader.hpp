// Reads a JSON document into values that any code can walk. The only place that knows simdjson is reader.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "coffer/base/error.hpp"

namespace coffer::json {

/// Bytes that must be reserved behind a body so that it can be parsed in place (simdjson's padding, rounded up).
inline constexpr std::size_t padding = 64;

/// How deep arrays and objects may nest, and the range that limit_depth() takes: no body of the API nests deeper than
/// the least.
inline constexpr std::size_t usual_depth = 8;
inline constexpr std::size_t least_depth = 4;
inline constexpr std::size_t most_depth = 64;

/// Sets how deep the documents that are parsed from now on may nest, for the whole process.
void limit_depth(std::size_t levels);

/// How deep they may.
std::size_t depth_limit() noexcept;

/// How many values a document may hold.
inline constexpr std::size_t max_values = 65536;

/// An integer is a number without a fraction, however it is spelled (1, 1.0, 1e0), as JSON Schema has it.
enum class kind : std::uint8_t { null, boolean, integer, number, string, array, object };

/// The kind's name as messages spell it.
std::string_view to_string(kind k) noexcept;

struct member;

/// One value of a document, valid as long as the document. Cheap to copy.
class value {
 public:
  value() = default;

  [[nodiscard]] json::kind kind() const noexcept { return kind_; }
  /// Each asserts the kind.
  [[nodiscard]] bool as_boolean() const;
  /// Exact. One that does not fit 64 bits is the nearest that does, so that a range check sees it on the right side.
  [[nodiscard]] std::int64_t as_integer() const;
  /// An integer or number in millionths, cut toward zero; ends as as_integer() does.
  [[nodiscard]] std::int64_t as_millionths() const;
  /// UTF-8, escapes resolved.
  [[nodiscard]] std::string_view as_string() const;
  [[nodiscard]] std::span<const value> elements() const;
  [[nodiscard]] std::span<const member> members() const;

  /// The member called `name` of an object, or nullptr.
  [[nodiscard]] const value* find(std::string_view name) const;

 private:
  friend class builder;

  json::kind kind_ = json::kind::null;
  std::size_t size_ = 0;  ///< of a string, array or object
  union {
    std::int64_t integer_ = 0;  ///< of a number: in millionths
    bool boolean_;
    const char* string_;
    const value* elements_;
    const member* members_;
  };
};

/// A member of an object.
struct member {
  std::string_view name;
  value content;
};

/// A parsed document. Owns everything its values point to. The last one to end on a thread leaves its memory to the
/// thread's next one.
class document {
 public:
  document(document&&) noexcept;
  document& operator=(document&&) noexcept;
  document(const document&) = delete;
  document& operator=(const document&) = delete;
  ~document();

  [[nodiscard]] const value& root() const;

 private:
  friend result<document> parse(std::string& body);
  struct impl;
  document();
  /// What the last document of this thread has left.
  static std::unique_ptr<impl>& spare();
  std::unique_ptr<impl> impl_;
};

/// Parses the whole of `body`, whose capacity is grown to hold the padding. Refusal: malformed_json, with what is
/// wrong and where: syntax, invalid UTF-8, a byte order mark, more than depth_limit() levels or max_values values,
/// duplicate members.
result<document> parse(std::string& body);

}  // namespace coffer::json
