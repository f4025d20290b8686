// A prepared statement's text, as a constant of the program.
#pragma once

#include <string>

namespace coffer::pg {

/// One SQL statement with numbered parameters ($1, $2, ...). A constant of the program: text made at run time, from
/// what a client sent for instance, does not compile. `name` is unique in the program and at most 63 bytes (NAMEDATALEN
/// - 1); the statement is prepared once per connection under it, with the parameter types of its first use, and must
/// always be used with the same types.
struct statement {
  consteval statement(const char* as, const char* text) : name{as}, sql{text} {
    if (*as == '\0' || std::char_traits<char>::length(as) > 63) {
      throw "a statement has a name of 1 to 63 bytes";
    }
  }

  const char* name;
  const char* sql;
};

}  // namespace coffer::pg
