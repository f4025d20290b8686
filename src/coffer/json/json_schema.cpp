#include "coffer/json/json_schema.hpp"

namespace coffer::json {

namespace {

void text_member(writer& out, std::string_view name, std::string_view text) {
  if (!text.empty()) {
    out.dynamic_key(name);
    out.value(text);
  }
}

void bound(writer& out, std::string_view name, const std::optional<std::int64_t>& limit) {
  if (limit) {
    out.dynamic_key(name);
    out.value(*limit);
  }
}

}  // namespace

void write_schema(writer& out, const member_info& member) {
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
  text_member(out, "description", member.description);
  const bool is_text = member.type == "string";
  const bool is_list = member.type == "array";
  if (member.type == "integer") {
    text_member(out, "format", "int64");
  }
  text_member(out, "format", member.format);
  bound(out, is_text ? "minLength" : is_list ? "minItems" : "minimum", member.minimum);
  bound(out, is_text ? "maxLength" : is_list ? "maxItems" : "maximum", member.maximum);
  if (!member.items.empty()) {
    out.key("items");
    out.raw(member.items);
  }
  text_member(out, "pattern", member.pattern);
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

void write_required(writer& out, std::span<const std::string_view> names) {
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

std::string object_schema(std::span<const member_info> members, std::int64_t least) {
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
