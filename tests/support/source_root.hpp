// Where the project lies, for tests that hold its documents and scripts against the server.
#pragma once

#include <filesystem>

namespace coffer::test {

/// The folder with README.md, script/ and docs/.
std::filesystem::path source_root();

}  // namespace coffer::test
