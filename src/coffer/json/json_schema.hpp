// Descriptions of members as JSON Schema (2020-12), for documents that are read by other programs.
#pragma once

#include <span>
#include <string>

#include "coffer/json/schema.hpp"
#include "coffer/json/writer.hpp"

namespace coffer::json {

namespace detail {

inline void text_member(writer& out, std::string_view name, std::string_view text) {
  if (!text.empty()) {
    out.dynamic_key(name);
    out.value(text);
  }
}

inline void bound(writer& out, std::string_view name, const std::optional<std::int64_t>& limit) {
  if (limit) {
    out.dynamic_key(name);
    out.value(*limit);
  }
}

}  // namespace detail

/// The schema of one member as an object.
inline void write_schema(writer& out, const member_info& member) {
  out.begin_object();
  out.key("type");
  if (member.nullable) {
    out.begin_array();
    out.value(member.type);
    out.value("null");
    out.end_array();
  } else {
    out.value(member.type);
  }
  detail::text_member(out, "description", member.description);
  const bool is_text = member.type == "string";
  const bool is_list = member.type == "array";
  if (member.type == "integer") {
    detail::text_member(out, "format", "int64");
  }
  detail::text_member(out, "format", member.format);
  detail::bound(out, is_text ? "minLength" : is_list ? "minItems" : "minimum", member.minimum);
  detail::bound(out, is_text ? "maxLength" : is_list ? "maxItems" : "maximum", member.maximum);
  if (!member.items.empty()) {
    out.key("items");
    out.raw(member.items);
  }
  detail::text_member(out, "pattern", member.pattern);
  if (!member.names.empty()) {
    out.key("enum");
    out.begin_array();
    for (const std::string_view name : member.names) {
      out.value(name);
    }
    if (member.nullable) {
      out.null();
    }
    out.end_array();
  }
  if (!member.initial.empty()) {
    out.key("default");
    out.raw(member.initial);
  }
  out.end_object();
}

/// The member "required" of an object's schema; left out when there is no such name, as older drafts demand.
inline void write_required(writer& out, std::span<const std::string_view> names) {
  if (names.empty()) {
    return;
  }
  out.key("required");
  out.begin_array();
  for (const std::string_view name : names) {
    out.value(name);
  }
  out.end_array();
}

/// The schema of an object with exactly these members, of which at least `least` must be there.
inline std::string object_schema(std::span<const member_info> members, std::int64_t least = 0) {
  std::string text;
  writer out{text};
  out.begin_object();
  out.key("type");
  out.value("object");
  out.key("properties");
  out.begin_object();
  std::vector<std::string_view> names;
  for (const member_info& member : members) {
    out.dynamic_key(member.name);
    write_schema(out, member);
    if (member.required) {
      names.push_back(member.name);
    }
  }
  out.end_object();
  write_required(out, names);
  if (least > 0) {
    out.key("minProperties");
    out.value(least);
  }
  out.key("additionalProperties");
  out.value(false);
  out.end_object();
  return text;
}

}  // namespace coffer::json
