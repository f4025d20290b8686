#include "coffer/base/gzip.hpp"

#define ZLIB_CONST  // its input is not written to
#include <zlib.h>

#include "coffer/base/assert.hpp"

namespace coffer {

std::string gzip(std::string_view text) {
  constexpr int gzip_format = 15 + 16;  // the largest window, in gzip's frame instead of zlib's
  constexpr int memory_level = 9;
  z_stream machine{};
  // Fails only without memory, and then nothing else works either.
  const bool begun =
      deflateInit2(&machine, Z_BEST_COMPRESSION, Z_DEFLATED, gzip_format, memory_level, Z_DEFAULT_STRATEGY) == Z_OK;
  COFFER_ASSERT(begun);
  std::string zipped(deflateBound(&machine, static_cast<uLong>(text.size())), '\0');
  machine.next_in = reinterpret_cast<const Bytef*>(text.data());
  machine.avail_in = static_cast<uInt>(text.size());
  machine.next_out = reinterpret_cast<Bytef*>(zipped.data());
  machine.avail_out = static_cast<uInt>(zipped.size());
  const int outcome = deflate(&machine, Z_FINISH);
  zipped.resize(machine.total_out);
  deflateEnd(&machine);
  COFFER_ASSERT(outcome == Z_STREAM_END);
  return zipped;
}

}  // namespace coffer
