// Assertions for bugs. They stay on in every build: a wrong balance is worse than a restart.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <source_location>

namespace coffer {

/// Prints the failed expression with its place on stderr and aborts.
[[noreturn]] inline void assertion_failed(const char* expression,
                                          std::source_location where = std::source_location::current()) noexcept {
  std::fprintf(stderr, "coffer: assertion failed: %s (%s:%u)\n", expression, where.file_name(),
               static_cast<unsigned>(where.line()));
  std::abort();
}

}  // namespace coffer

/// Aborts the process when `expression` is false. For bugs only, never for input or the outside world.
#define COFFER_ASSERT(expression) ((expression) ? static_cast<void>(0) : ::coffer::assertion_failed(#expression))
