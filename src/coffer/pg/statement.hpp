// A prepared statement's text, as a constant of the program.
#pragma once

namespace coffer::pg {

/// One SQL statement with numbered parameters ($1, $2, ...). Both strings must have static storage. `name` is unique
/// in the program and at most 63 bytes; the statement is prepared once per connection under it, with the parameter
/// types of its first use, and must always be used with the same types.
struct statement {
  const char* name;
  const char* sql;
};

}  // namespace coffer::pg
