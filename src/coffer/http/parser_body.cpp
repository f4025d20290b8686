// The part of a parser that reads bodies.
#include <algorithm>

#include "coffer/http/parser_machine.hpp"

namespace coffer::http {

namespace {

/// simdjson reads up to this many bytes behind a body, without using them.
constexpr std::size_t body_padding = 64;

}  // namespace

parser::step parser::machine::feed_body(std::string_view unread, request& r) {
  if (data_bytes == 0 && !streamed) {
    r.body.reserve((chunked ? unread.size() : static_cast<std::size_t>(declared)) + body_padding);
  }
  std::size_t taken = 0;
  if (chunked) {
    if (auto why = feed_chunks(unread, taken, r)) {
      return refuse(*std::move(why));
    }
  } else {
    taken = static_cast<std::size_t>(std::min<std::uint64_t>(declared - data_bytes, unread.size()));
    take_data(unread.substr(0, taken), r);
    whole = data_bytes == declared;
  }
  if (!whole) {
    return {status::need_more, taken};
  }
  r.body.reserve(r.body.size() + body_padding);
  at = phase::done;
  return {status::complete, taken};
}

void parser::machine::take_data(std::string_view data, request& r) {
  r.body += data;
  data_bytes += data.size();
}

/// Reads chunks up to the end of the body or of what has come. `taken` becomes the number of bytes read.
std::optional<rejection> parser::machine::feed_chunks(std::string_view unread, std::size_t& taken, request& r) {
  while (taken < unread.size() && !whole) {
    const chunk_reader::step next = chunks.feed(unread.substr(taken));
    taken += next.taken;
    switch (next.what) {
      case chunk_reader::status::need_more:
        break;
      case chunk_reader::status::data:
        take_data(chunks.data(), r);
        break;
      case chunk_reader::status::size:
        if (chunks.chunk_size() > body_limit() - data_bytes) {
          return body_too_large();
        }
        break;
      case chunk_reader::status::extra:
        ++extra_bytes;
        if (chunk_overhead_too_large()) {
          return headers_too_large();
        }
        break;
      case chunk_reader::status::end:
        whole = true;
        break;
      case chunk_reader::status::malformed:
        return malformed("The chunks of the body are malformed.");
    }
  }
  return std::nullopt;
}

/// Chunk extensions, needless zeros and trailers are part of the header block, and trailers of the count.
bool parser::machine::chunk_overhead_too_large() const {
  // A long stream may spend as much as it brought: some clients pad the sizes of their chunks.
  const std::size_t earned = streamed ? data_bytes : 0;
  return head_end - fields_begin + extra_bytes > most.header_block + earned ||
         lines + chunks.trailer_lines() > most.header_count;
}

}  // namespace coffer::http
