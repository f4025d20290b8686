// The objects of answers, each described by the function that writes it. members_of(sink, resource) names the object
// and every member once: given a render_sink it writes the resource, given a schema_sink it describes it, so that the
// two cannot differ.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "coffer/base/clock.hpp"
#include "coffer/json/json_schema.hpp"
#include "coffer/json/writer.hpp"

namespace coffer::api {

/// What documents say of a member besides its type, which is that of its value.
struct note {
  std::string_view text{};
  std::optional<std::int64_t> minimum{};  ///< of an integer's value or a string's length
  std::optional<std::int64_t> maximum{};  ///< every string has one, or `names`, or is a time
  std::string_view format{};
  std::string_view pattern{};
  std::span<const std::string_view> names{};  ///< the only values
};

/// Writes the members of one object. Notes cost nothing here.
class render_sink {
 public:
  explicit render_sink(json::writer& out) : out_{out} {}

  /// The object's name in documents, and what it is.
  void called(std::string_view, std::string_view = {}) {}
  /// Exactly one of these lists of members is there, of an object whose other members may be left out.
  void one_of(std::initializer_list<std::vector<std::string_view>>) {}

  /// A string, integer or boolean that is always there.
  template <typename T>
  void member(json::name name, const T& value, const note&) {
    out_.key(name);
    out_.value(value);
  }
  /// As member(), or null.
  template <typename T>
  void nullable(json::name name, const std::optional<T>& value, const note&) {
    out_.key(name);
    if (value) {
      out_.value(*value);
    } else {
      out_.null();
    }
  }
  /// A string; null when it is empty.
  void nullable(json::name name, std::string_view text, const note&) {
    out_.key(name);
    if (text.empty()) {
      out_.null();
    } else {
      out_.value(text);
    }
  }
  /// As member(), but left out where there is nothing to say.
  template <typename T>
  void if_any(json::name name, const std::optional<T>& value, const note&) {
    if (value) {
      out_.key(name);
      out_.value(*value);
    }
  }
  /// An object.
  template <typename Resource>
  void nested(json::name name, const Resource& resource, const note&) {
    out_.key(name);
    object(resource);
  }
  /// An object, or null.
  template <typename Resource>
  void nested_or_null(json::name name, const std::optional<Resource>& resource, const note&) {
    out_.key(name);
    if (resource) {
      object(*resource);
    } else {
      out_.null();
    }
  }
  /// An object, left out where there is none.
  template <typename Resource>
  void nested_if_any(json::name name, const std::optional<Resource>& resource, const note& about) {
    if (resource) {
      nested(name, *resource, about);
    }
  }
  /// An object of that shape that has been written before; left out when the text is empty, unless it is `always`
  /// there.
  void written(json::name name, std::string_view, std::string_view text, bool always = false) {
    static_cast<void>(always);
    if (!text.empty()) {
      out_.key(name);
      out_.raw(text);
    }
  }
  /// An object with integers under names of its own.
  void numbers(json::name name, const std::vector<std::pair<std::string, std::int64_t>>& values, const note&) {
    out_.key(name);
    out_.begin_object();
    for (const auto& [key, value] : values) {
      out_.dynamic_key(key);
      out_.value(value);
    }
    out_.end_object();
  }
  /// A list of strings, each one of the note's names.
  void names(json::name name, const std::vector<std::string_view>& items, const note&) {
    out_.key(name);
    out_.begin_array();
    for (const std::string_view item : items) {
      out_.value(item);
    }
    out_.end_array();
  }
  /// A list of objects.
  template <typename Resource>
  void list(json::name name, std::span<const Resource> items, const note&) {
    out_.key(name);
    out_.begin_array();
    for (const Resource& item : items) {
      object(item);
    }
    out_.end_array();
  }

  template <typename Resource>
  void object(const Resource& resource) {
    out_.begin_object();
    members_of(*this, resource);
    out_.end_object();
  }

 private:
  json::writer& out_;
};

/// The resource as a body. `usual_size`: bytes to allocate at once.
template <typename Resource>
std::string rendered(const Resource& resource, std::size_t usual_size = 0) {
  std::string body;
  body.reserve(usual_size);
  json::writer out{body};
  render_sink{out}.object(resource);
  return body;
}

/// The schemas of all objects that answers consist of, by name.
class shapes {
 public:
  struct entry {
    std::string schema;   ///< JSON Schema
    std::string example;  ///< JSON; empty for objects that occur only inside others
  };

  /// Describes a resource and what is nested in it. `sample` becomes the example; its lists and optional objects must
  /// not be empty.
  template <typename Resource>
  void add(const Resource& sample);
  /// As above, of an object that never has all its members: `sample` has them, `example` is one that occurs.
  template <typename Resource>
  void add(const Resource& sample, const Resource& example);

  /// For objects that are written in another way.
  void add(std::string_view name, std::string schema, std::string example) {
    entries_[std::string{name}] = {std::move(schema), std::move(example)};
  }

  /// nullptr when there is none of that name.
  [[nodiscard]] const entry* find(std::string_view name) const {
    const auto found = entries_.find(name);
    return found == entries_.end() ? nullptr : &found->second;
  }
  [[nodiscard]] const std::map<std::string, entry, std::less<>>& all() const { return entries_; }
  /// As add(), of an object that has no example of its own. Gives the name.
  template <typename Resource>
  std::string_view describe(const Resource& sample);

 private:
  std::map<std::string, entry, std::less<>> entries_;
};

/// Collects what render_sink would write as a JSON Schema.
class schema_sink {
 public:
  explicit schema_sink(shapes& all) : all_{all} {}

  void called(std::string_view name, std::string_view text = {}) {
    name_ = name;
    text_ = text;
  }
  void one_of(std::initializer_list<std::vector<std::string_view>> choices) { choices_ = choices; }

  template <typename T>
  void member(json::name name, const T&, const note& about) {
    plain<T>(name.text(), about, false);
  }
  template <typename T>
  void nullable(json::name name, const std::optional<T>&, const note& about) {
    plain<T>(name.text(), about, true);
  }
  void nullable(json::name name, std::string_view, const note& about) {
    plain<std::string_view>(name.text(), about, true);
  }
  template <typename T>
  void if_any(json::name name, const std::optional<T>&, const note& about) {
    plain<T>(name.text(), about, false);
    names_.pop_back();  // not required
  }
  template <typename Resource>
  void nested(json::name name, const Resource& resource, const note& about) {
    const std::string_view shape = all_.describe(resource);
    begin(name.text(), about);
    out_.key("$ref");
    out_.value(reference(shape));
    out_.end_object();
  }
  template <typename Resource>
  void nested_or_null(json::name name, const std::optional<Resource>& resource, const note& about) {
    const std::string_view shape = all_.describe(resource.value());
    begin(name.text(), about);
    out_.key("anyOf");
    out_.begin_array();
    refer(shape);
    out_.raw(R"({"type":"null"})");
    out_.end_array();
    out_.end_object();
  }
  template <typename Resource>
  void nested_if_any(json::name name, const std::optional<Resource>& resource, const note& about) {
    nested(name, resource.value(), about);
    names_.pop_back();
  }
  void written(json::name name, std::string_view shape, std::string_view, bool always = false) {
    if (always) {
      names_.push_back(name.text());
    }
    out_.key(name);
    refer(shape);
  }
  void numbers(json::name name, const std::vector<std::pair<std::string, std::int64_t>>&, const note& about) {
    begin(name.text(), about);
    out_.key("type");
    out_.value("object");
    out_.key("additionalProperties");
    out_.raw(R"({"type":"integer"})");
    out_.end_object();
  }
  void names(json::name name, const std::vector<std::string_view>&, const note& about) {
    begin(name.text(), about);
    out_.key("type");
    out_.value("array");
    out_.key("maxItems");
    out_.value(std::ssize(about.names));
    out_.key("items");
    json::member_info item;
    item.type = "string";
    item.names.assign(about.names.begin(), about.names.end());
    json::write_schema(out_, item);
    out_.end_object();
  }
  template <typename Resource>
  void list(json::name name, std::span<const Resource> items, const note& about) {
    const std::string_view shape = all_.describe(items.front());
    begin(name.text(), about);
    out_.key("type");
    out_.value("array");
    out_.key("items");
    refer(shape);
    if (about.minimum) {
      out_.key("minItems");
      out_.value(*about.minimum);
    }
    if (about.maximum) {
      out_.key("maxItems");
      out_.value(*about.maximum);
    }
    out_.end_object();
  }

  /// The schema of the object whose members have been collected. Every member but those that may be left out is
  /// required, no other is allowed.
  [[nodiscard]] std::string schema() const;
  [[nodiscard]] std::string_view name() const { return name_; }

  static std::string reference(std::string_view name) { return "#/components/schemas/" + std::string{name}; }

 private:
  template <typename T>
  static constexpr std::string_view type_of() {
    if constexpr (std::same_as<T, bool>) {
      return "boolean";
    } else if constexpr (std::integral<T>) {
      return "integer";
    } else {
      return "string";
    }
  }

  template <typename T>
  void plain(std::string_view name, const note& about, bool nullable) {
    json::member_info info;
    info.type = type_of<T>();
    info.nullable = nullable;
    add(name, std::move(info), about);
  }

  void add(std::string_view name, json::member_info info, const note& about);
  void begin(std::string_view name, const note& about);
  void refer(std::string_view name);

  shapes& all_;
  std::string_view name_;
  std::string_view text_;
  std::vector<std::vector<std::string_view>> choices_;
  std::string properties_;
  json::writer out_{properties_};
  std::vector<std::string_view> names_;
};

template <typename Resource>
std::string_view shapes::describe(const Resource& sample) {
  schema_sink sink{*this};
  members_of(sink, sample);
  entries_[std::string{sink.name()}].schema = sink.schema();
  return sink.name();
}

template <typename Resource>
void shapes::add(const Resource& sample) {
  add(sample, sample);
}

template <typename Resource>
void shapes::add(const Resource& sample, const Resource& example) {
  entries_[std::string{describe(sample)}].example = rendered(example);
}

inline std::string schema_sink::schema() const {
  std::string text;
  json::writer out{text};
  out.begin_object();
  out.key("type");
  out.value("object");
  if (!text_.empty()) {
    out.key("description");
    out.value(text_);
  }
  out.key("properties");
  out.raw("{" + properties_ + "}");
  json::write_required(out, names_);
  if (!choices_.empty()) {
    out.key("oneOf");
    out.begin_array();
    for (const auto& names : choices_) {
      out.begin_object();
      json::write_required(out, names);
      out.end_object();
    }
    out.end_array();
  }
  out.key("additionalProperties");
  out.value(false);
  out.end_object();
  return text;
}

inline void schema_sink::add(std::string_view name, json::member_info info, const note& about) {
  info.description = about.text;
  info.minimum = about.minimum;
  info.maximum = about.maximum;
  info.format = about.format;
  info.pattern = about.pattern;
  if (about.format == "date-time" && !about.maximum) {
    info.maximum = static_cast<std::int64_t>(written_time);
  }
  info.names.assign(about.names.begin(), about.names.end());
  names_.push_back(name);
  out_.dynamic_key(name);
  json::write_schema(out_, info);
}

inline void schema_sink::begin(std::string_view name, const note& about) {
  names_.push_back(name);
  out_.dynamic_key(name);
  out_.begin_object();
  if (!about.text.empty()) {
    out_.key("description");
    out_.value(about.text);
  }
}

inline void schema_sink::refer(std::string_view name) {
  out_.begin_object();
  out_.key("$ref");
  out_.value(reference(name));
  out_.end_object();
}

}  // namespace coffer::api
