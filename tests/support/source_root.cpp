#include "support/source_root.hpp"

namespace coffer::test {

std::filesystem::path source_root() { return COFFER_SOURCE_ROOT; }

}  // namespace coffer::test
