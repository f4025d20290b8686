#include "coffer/base/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace coffer {

void assertion_failed(const char* expression, std::source_location where) noexcept {
  std::fprintf(stderr, "coffer: assertion failed: %s (%s:%u)\n", expression, where.file_name(),
               static_cast<unsigned>(where.line()));
  std::abort();
}

}  // namespace coffer
