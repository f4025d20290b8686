// Compression of texts that are sent often.
#pragma once

#include <string>
#include <string_view>

namespace coffer {

/// The text in the gzip format (RFC 1952), as small as it gets: for what is compressed once. The same text gives the
/// same bytes.
std::string gzip(std::string_view text);

}  // namespace coffer
