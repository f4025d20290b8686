#include "coffer/json/writer.hpp"

#include "coffer/base/text.hpp"

namespace coffer::json {

void append_string(std::string& out, std::string_view text) {
  out += '"';
  append_json_escaped(out, text);
  out += '"';
}

}  // namespace coffer::json
