#include "coffer/api/shape.hpp"

#include "coffer/base/clock.hpp"

namespace coffer::api {

std::string schema_sink::schema() const {
  std::string text;
  json::writer out{text};
  out.begin_object();
  out.key("type");
  out.value("object");
  out.key("properties");
  out.raw("{" + properties_ + "}");
  json::write_required(out, names_);
  out.key("additionalProperties");
  out.value(false);
  out.end_object();
  return text;
}

void schema_sink::add(std::string_view name, json::member_info info, const note& about) {
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

void schema_sink::begin(std::string_view name, const note& about) {
  names_.push_back(name);
  out_.dynamic_key(name);
  out_.begin_object();
  if (!about.text.empty()) {
    out_.key("description");
    out_.value(about.text);
  }
}

void schema_sink::refer(std::string_view name) {
  out_.begin_object();
  out_.key("$ref");
  out_.value(reference(name));
  out_.end_object();
}

}  // namespace coffer::api
