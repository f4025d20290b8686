// The part of a parser that reads bodies.
#include "coffer/http/parser_machine.hpp"

namespace coffer::http {

namespace {

/// simdjson reads up to this many bytes behind a body, without using them.
constexpr std::size_t body_padding = 64;

/// Bytes of a chunk's framing that cannot be spared: the size in hexadecimal, its line end and the one of the data.
std::size_t framing_of(std::uint64_t chunk_size) noexcept {
  std::size_t digits = 1;
  for (; chunk_size > 15; chunk_size >>= 4) {
    ++digits;
  }
  return digits + 4;
}

}  // namespace

int parser::machine::on_body(llhttp_t* p, const char* at, std::size_t size) {
  machine& m = of(p);
  if (size > m.body_limit() - m.data_bytes) {
    m.too_large = true;
    return HPE_USER;
  }
  m.target->body.append(at, size);
  m.data_bytes += size;
  return HPE_OK;
}

int parser::machine::on_chunk_header(llhttp_t* p) {
  machine& m = of(p);
  m.framing_bytes += framing_of(p->content_length);
  if (p->content_length > m.body_limit() - m.data_bytes) {
    m.too_large = true;
    return HPE_USER;
  }
  m.in_trailers = p->content_length == 0;
  m.after_chunk_line = true;
  return HPE_PAUSED;
}

parser::step parser::machine::feed_body(std::string_view unread, request& r) {
  if (body_bytes == 0 && !streamed) {
    r.body.reserve((chunked ? unread.size() : static_cast<std::size_t>(declared)) + body_padding);
  }
  std::size_t consumed = 0;
  while (consumed < unread.size() && !message_complete) {
    const bool trailing = in_trailers;
    after_chunk_line = false;
    std::size_t size = 0;
    const llhttp_errno_t outcome = execute(unread.substr(consumed), size);
    if (outcome != HPE_OK) {
      return refuse(too_large ? body_too_large()
                              : malformed(std::string{"The body is malformed: "} + llhttp_errno_name(outcome)));
    }
    if (trailing && !valid_trailers(unread.substr(consumed, size))) {
      return refuse(malformed("The trailer of the body is malformed."));
    }
    consumed += size;
    body_bytes += size;
    if (chunk_overhead_too_large()) {
      return refuse(headers_too_large());
    }
  }
  if (!message_complete) {
    return {status::need_more, consumed};
  }
  r.body.reserve(r.body.size() + body_padding);
  at = phase::done;
  return {status::complete, consumed};
}

/// Looks at bytes behind the last chunk, which llhttp has accepted: no line is folded or has an empty name.
bool parser::machine::valid_trailers(std::string_view bytes) {
  for (const char c : bytes) {
    if (at_line_begin) {
      if (c == ' ' || c == '\t' || c == ':') {
        return false;
      }
      trailer_lines += c != '\r' ? 1U : 0U;
    }
    at_line_begin = c == '\n';
  }
  return true;
}

/// Chunk extensions, needless zeros and trailers are part of the header block, and trailers of the count. Judged at the
/// end of each chunk's line and of the body; in between, only what would be refused there anyway is: how the bytes are
/// cut changes nothing.
bool parser::machine::chunk_overhead_too_large() const {
  if (!chunked) {
    return false;
  }
  // What a chunk needs is known at the end of its line: until then, it may need the most.
  const std::size_t unknown = after_chunk_line || message_complete ? 0 : framing_of(~std::uint64_t{0});
  const std::size_t needed = data_bytes + framing_bytes + unknown;
  const std::size_t spent = head_end - fields_begin + (body_bytes > needed ? body_bytes - needed : 0);
  // A long stream may spend as much as it brought: some clients pad the sizes of their chunks.
  const std::size_t earned = streamed ? data_bytes : 0;
  return spent > most.header_block + earned || lines + trailer_lines > most.header_count;
}

}  // namespace coffer::http
