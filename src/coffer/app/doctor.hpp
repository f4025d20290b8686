// `coffer doctor`: looks at everything that a server needs and says what to do about what is missing. Changes nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "coffer/app/settings.hpp"

namespace coffer::app {

enum class health_grade : std::uint8_t {
  good,
  doubtful,  ///< a server would run, worse or less safely than it could
  bad,       ///< a server would not be ready, or could lose what it has promised
};

/// "ok", "warning" or "failed".
std::string_view to_string(health_grade grade) noexcept;

/// Where the settings come from besides flags and the environment.
struct settings_source {
  std::string file;     ///< whose variables were taken; empty: none
  std::string trouble;  ///< why a file that should have been read was not; empty: all is well
};

/// One thing that was looked at.
struct finding {
  std::string_view subject;  ///< "database", "schema", "durability", ...
  health_grade grade = health_grade::good;
  std::string detail;  ///< what was found
  std::string remedy;  ///< what to do about it; empty when good
};

/// What was looked at, in the order of looking. What depends on something bad is left out.
struct diagnosis {
  std::vector<finding> findings;

  /// Whether a server with these settings would serve and keep its promises.
  [[nodiscard]] bool can_serve() const noexcept;
  /// A line per finding, remedies below, the verdict last.
  [[nodiscard]] std::string to_text() const;
  /// One object: can_serve and the findings.
  [[nodiscard]] std::string to_json() const;
};

/// Tells where `s` comes from, and looks at what it names: database, durability, connections, clock, privileges,
/// schema, access, cache, descriptors, addresses. Blocks; each look has the deadline that the server itself would have,
/// or 2 s. Does not throw for what it finds.
diagnosis examine(const settings& s, const settings_source& source);

}  // namespace coffer::app
