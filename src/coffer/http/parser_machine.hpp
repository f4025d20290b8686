// The inside of a parser, for its own files.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llhttp.h>

#include "coffer/base/ascii.hpp"
#include "coffer/base/assert.hpp"
#include "coffer/http/chunk_reader.hpp"
#include "coffer/http/parser.hpp"
#include "coffer/http/syntax.hpp"

namespace coffer::http {

inline rejection malformed(std::string detail) { return rejection{400, errc::malformed_request, std::move(detail)}; }

inline rejection body_too_large() {
  return rejection{413, errc::content_too_large, "The body is larger than this server accepts."};
}

inline rejection headers_too_large() {
  return rejection{431, errc::header_fields_too_large,
                   "The header fields are more or larger than this server accepts."};
}

/// The state of one connection's parser. llhttp's callbacks find it through llhttp_t::data.
struct parser::machine {
  machine(const limits& l, bodies how) : most{l}, in_pieces{how == bodies::in_pieces} { restart(); }

  /// What the fields of a head say about its body.
  struct framing {
    std::size_t hosts = 0;
    std::size_t lengths = 0;
    std::size_t encodings = 0;
    std::size_t expectations = 0;
    std::size_t types = 0;
    std::string_view length;
    std::string encoding;  ///< of all lines
    std::string_view expectation;
    bool bad_host = false;
  };

  void restart() noexcept;
  step refuse(rejection why) {
    refused.emplace(std::move(why));
    at = phase::done;
    return {status::rejected, 0};
  }

  step feed(std::string_view unread, request& r);
  step feed_head(std::string_view unread, request& r);
  std::optional<rejection> find_request_line(std::string_view unread, request& r);
  std::optional<rejection> find_lines(std::string_view unread);
  step read_head(std::string_view head, request& r);
  std::optional<rejection> take_fields(request& r);
  std::optional<rejection> check_framing(const framing& f, const request& r);
  std::optional<rejection> check_length(const framing& f) const;
  static std::optional<rejection> check_coding(const framing& f, const request& r);
  step feed_body(std::string_view unread, request& r);
  void take_data(std::string_view data, request& r);
  std::optional<rejection> feed_chunks(std::string_view unread, std::size_t& taken, request& r);
  [[nodiscard]] bool chunk_overhead_too_large() const;
  [[nodiscard]] std::size_t body_limit() const { return streamed ? most.streamed_body : most.body; }
  llhttp_errno_t execute(std::string_view bytes, std::size_t& size);

  static int on_field(llhttp_t* p, const char* at, std::size_t size);
  static int on_value(llhttp_t* p, const char* at, std::size_t size);
  static int on_headers_complete(llhttp_t* p);
  static int on_message_complete(llhttp_t* p);
  static const llhttp_settings_t& settings();
  static machine& of(llhttp_t* p) { return *static_cast<machine*>(p->data); }

  const limits& most;
  const bool in_pieces;
  llhttp_t http{};
  phase at = phase::start;
  std::optional<rejection> refused;

  // The head so far, as offsets into what is fed.
  std::size_t searched = 0;      ///< no line end before this that is not accounted for
  std::size_t line_begin = 0;    ///< of the line that is being looked for
  std::size_t fields_begin = 0;  ///< behind the request line; 0 while that is incomplete
  std::size_t head_end = 0;      ///< behind the empty line; 0 while that is missing
  std::size_t lines = 0;         ///< complete field lines
  bool skipped_empty_line = false;

  /// A field as llhttp saw it; points into what it was given.
  struct span {
    std::string_view name;
    std::string_view value;
    bool has_value = false;
  };
  std::vector<span> spans;
  bool broken_span = false;  ///< a token came in pieces that do not adjoin
  bool chunked = false;
  std::uint64_t declared = 0;  ///< the body's length, if not chunked
  bool keep_alive = true;
  bool head_complete = false;  ///< in llhttp's eyes
  bool wants_continue = false;
  bool streamed = false;       ///< the body is in pieces and may be larger than limits::body
  std::size_t data_bytes = 0;  ///< of the body, without framing

  // Of a chunked body.
  chunk_reader chunks;
  std::size_t extra_bytes = 0;  ///< framing that could have been left out
  bool whole = false;           ///< the last chunk and its trailer have come
};

namespace detail {

/// simdjson reads up to this many bytes behind a body, without using them.
inline constexpr std::size_t body_padding = 64;

}  // namespace detail

inline parser::step parser::machine::feed_body(std::string_view unread, request& r) {
  if (data_bytes == 0 && !streamed) {
    r.body.reserve((chunked ? unread.size() : static_cast<std::size_t>(declared)) + detail::body_padding);
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
  r.body.reserve(r.body.size() + detail::body_padding);
  at = phase::done;
  return {status::complete, taken};
}

inline void parser::machine::take_data(std::string_view data, request& r) {
  r.body += data;
  data_bytes += data.size();
}

/// Reads chunks up to the end of the body or of what has come. `taken` becomes the number of bytes read.
inline std::optional<rejection> parser::machine::feed_chunks(std::string_view unread, std::size_t& taken, request& r) {
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
inline bool parser::machine::chunk_overhead_too_large() const {
  // A long stream may spend as much as it brought: some clients pad the sizes of their chunks.
  const std::size_t earned = streamed ? data_bytes : 0;
  return head_end - fields_begin + extra_bytes > most.header_block + earned ||
         lines + chunks.trailer_lines() > most.header_count;
}

namespace detail {

/// Control characters, tabs excepted. One pass without branches, so that the compiler can vectorise it.
inline std::size_t count_controls(std::string_view text) noexcept {
  std::size_t found = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    found += static_cast<std::size_t>((byte < 0x20 && byte != '\t') || byte == 0x7f);
  }
  return found;
}

}  // namespace detail

inline int parser::machine::on_field(llhttp_t* p, const char* at, std::size_t size) {
  machine& m = of(p);
  if (!m.spans.empty() && !m.spans.back().has_value) {
    span& last = m.spans.back();
    if (last.name.data() + last.name.size() == at) {
      last.name = {last.name.data(), last.name.size() + size};
      return HPE_OK;
    }
    // llhttp gives no value callback for an empty value of some fields.
    last.has_value = true;
  }
  m.spans.push_back(span{{at, size}, {}, false});
  return HPE_OK;
}

inline int parser::machine::on_value(llhttp_t* p, const char* at, std::size_t size) {
  machine& m = of(p);
  COFFER_ASSERT(!m.spans.empty());
  span& last = m.spans.back();
  if (!last.has_value) {
    last.value = {at, size};
    last.has_value = true;
  } else if (last.value.data() + last.value.size() == at) {
    last.value = {last.value.data(), last.value.size() + size};
  } else {
    m.broken_span = true;
  }
  return HPE_OK;
}

inline int parser::machine::on_headers_complete(llhttp_t* p) {
  machine& m = of(p);
  m.head_complete = true;
  m.chunked = (p->flags & F_CHUNKED) != 0;
  m.declared = (p->flags & F_CONTENT_LENGTH) != 0 ? p->content_length : 0;
  m.keep_alive = llhttp_should_keep_alive(p) != 0;
  // Nothing is upgraded here: the request is answered as any other (RFC 9110 section 7.8).
  p->upgrade = 0;
  return 1;  // llhttp sees no body: parser_body.cpp reads it
}

inline parser::step parser::machine::feed_head(std::string_view unread, request& r) {
  constexpr step need_more{status::need_more, 0};
  if (fields_begin == 0) {
    if (auto why = find_request_line(unread, r)) {
      return refuse(*std::move(why));
    }
    if (fields_begin == 0) {
      return need_more;
    }
  }
  if (auto why = find_lines(unread)) {
    return refuse(*std::move(why));
  }
  return head_end == 0 ? need_more : read_head(unread.substr(0, head_end), r);
}

/// Looks for the end of the request line and reads it.
inline std::optional<rejection> parser::machine::find_request_line(std::string_view unread, request& r) {
  const auto too_long = [] {
    return rejection{414, errc::uri_too_long, "The request line is longer than this server accepts."};
  };
  const std::size_t end = unread.find('\n', searched);
  if (end == std::string_view::npos) {
    if (!may_begin_request_line(unread)) {
      return malformed("This is not the beginning of an HTTP request.");
    }
    searched = unread.size();
    return unread.size() >= most.request_line ? std::optional{too_long()} : std::nullopt;
  }
  if (end + 1 > most.request_line) {
    return too_long();
  }
  if (end == 0 || unread[end - 1] != '\r') {
    return malformed("The request line does not end with CR and LF.");
  }
  if (auto why = read_request_line(unread.substr(0, end - 1), r)) {
    // The fields are looked at for a request id only.
    fields_begin = end + 1;
    return why;
  }
  fields_begin = line_begin = searched = end + 1;
  return std::nullopt;
}

/// Walks the field lines up to the empty one.
inline std::optional<rejection> parser::machine::find_lines(std::string_view unread) {
  while (head_end == 0) {
    const std::size_t end = unread.find('\n', searched);
    if (end == std::string_view::npos) {
      searched = unread.size();
      return unread.size() - fields_begin >= most.header_block ? std::optional{headers_too_large()} : std::nullopt;
    }
    if (end + 1 - fields_begin > most.header_block) {
      return headers_too_large();
    }
    if (end == line_begin || unread[end - 1] != '\r') {
      return malformed("A line of the head does not end with CR and LF.");
    }
    if (end - 1 == line_begin) {
      head_end = end + 1;
      return std::nullopt;
    }
    if (unread[line_begin] == ' ' || unread[line_begin] == '\t') {
      return malformed("A header field is folded over two lines.");
    }
    if (++lines > most.header_count) {
      return headers_too_large();
    }
    line_begin = searched = end + 1;
  }
  return std::nullopt;
}

/// Has llhttp read the complete head, and compares what it understood with what we see.
inline parser::step parser::machine::read_head(std::string_view head, request& r) {
  // Request line, fields and empty line end with CR LF; beyond those two per line there is no control character.
  if (detail::count_controls(head) != 2 * (lines + 2)) {
    return refuse(malformed("The head holds a control character."));
  }
  // llhttp knows tabs around no value that it understands. It gets spaces, which mean the same there; where a tab means
  // something else, it has been refused, or is below: fields are taken from the head itself.
  std::string spaced;
  std::string_view given = head;
  if (head.find('\t') != std::string_view::npos) {
    spaced = head;
    std::replace(spaced.begin(), spaced.end(), '\t', ' ');
    given = spaced;
  }
  std::size_t size = 0;
  const llhttp_errno_t outcome = execute(given, size);
  if (outcome == HPE_INVALID_CONTENT_LENGTH) {
    const content_length length = read_content_length(find_raw_field(head.substr(fields_begin), "content-length"));
    if (length.what == content_length::kind::too_large) {
      return refuse(body_too_large());
    }
  }
  if (outcome != HPE_OK || size != head.size() || !head_complete) {
    return refuse(malformed(std::string{"The head is malformed: "} + llhttp_errno_name(outcome)));
  }
  if (broken_span || spans.size() != lines) {
    return refuse(malformed("The head is malformed."));
  }
  for (span& s : spans) {
    const auto own = [&](std::string_view part) {
      return part.empty() ? part : head.substr(static_cast<std::size_t>(part.data() - given.data()), part.size());
    };
    s.name = own(s.name);
    s.value = own(s.value);
  }
  if (auto why = take_fields(r)) {
    return refuse(*std::move(why));
  }
  r.keep_alive = keep_alive && r.verb != method::connect;
  if (!chunked && declared == 0) {
    at = phase::done;
    return {status::complete, head.size()};
  }
  at = phase::body;
  return {streamed ? status::body : status::need_more, head.size()};
}

/// Moves the fields to the request and checks those that say where it ends.
inline std::optional<rejection> parser::machine::take_fields(request& r) {
  framing f;
  for (const span& s : spans) {
    const std::string_view value = ascii::trim(s.value);
    if (!is_token(s.name)) {
      return malformed("The name of a header field is malformed.");
    }
    r.add_header(s.name, value);
    if (equal_ignoring_case(s.name, "host")) {
      ++f.hosts;
      f.bad_host = f.bad_host || !valid_host(value);
    } else if (equal_ignoring_case(s.name, "content-length")) {
      ++f.lengths;
      f.length = value;
    } else if (equal_ignoring_case(s.name, "transfer-encoding")) {
      f.encoding.append(f.encodings == 0 ? "" : ",").append(value);
      ++f.encodings;
    } else if (equal_ignoring_case(s.name, "expect")) {
      ++f.expectations;
      f.expectation = value;
    } else if (equal_ignoring_case(s.name, "content-type")) {
      ++f.types;
    } else if (equal_ignoring_case(s.name, "x-request-id") && r.request_id.empty() && acceptable_request_id(value)) {
      r.request_id = value;
    }
  }
  return check_framing(f, r);
}

inline std::optional<rejection> parser::machine::check_framing(const framing& f, const request& r) {
  if (f.hosts > 1 || f.bad_host || (f.hosts == 0 && r.minor_version > 0)) {
    return malformed(f.hosts == 0 ? "The Host field is missing." : "The Host field is malformed or there twice.");
  }
  if (auto why = check_coding(f, r)) {
    return why;
  }
  if (chunked != (f.encodings > 0)) {
    return malformed("The transfer coding is ambiguous.");
  }
  if (f.types > 1) {
    return malformed("There is more than one Content-Type.");
  }
  if (auto why = check_length(f)) {
    return why;
  }
  if (f.expectations > 0 && (f.expectations > 1 || !equal_ignoring_case(f.expectation, "100-continue"))) {
    return rejection{417, errc::expectation_failed, "The only expectation met here is 100-continue."};
  }
  streamed = in_pieces && (chunked || declared > 0);
  if (declared > body_limit()) {
    return body_too_large();
  }
  wants_continue = f.expectations == 1 && r.minor_version > 0;
  return std::nullopt;
}

inline std::optional<rejection> parser::machine::check_coding(const framing& f, const request& r) {
  if (f.encodings == 0) {
    return std::nullopt;
  }
  if (f.lengths > 0) {
    return malformed("Content-Length and Transfer-Encoding exclude each other.");
  }
  if (r.minor_version == 0) {
    return malformed("There is no Transfer-Encoding in HTTP/1.0.");
  }
  switch (read_transfer_coding(f.encoding)) {
    case transfer_coding::chunked:
      return std::nullopt;
    case transfer_coding::unknown:
      return rejection{501, errc::not_implemented, "The only transfer coding that is known here is chunked."};
    case transfer_coding::malformed:
      break;
  }
  return malformed("The Transfer-Encoding is not chunked, once and without parameters.");
}

inline std::optional<rejection> parser::machine::check_length(const framing& f) const {
  if (f.lengths == 0) {
    return std::nullopt;
  }
  const content_length length = read_content_length(f.length);
  if (f.lengths > 1 || length.what == content_length::kind::malformed) {
    return malformed("The Content-Length is malformed or there twice.");
  }
  if (length.what == content_length::kind::too_large) {
    return body_too_large();
  }
  return length.value != declared ? std::optional{malformed("The Content-Length is ambiguous.")} : std::nullopt;
}

}  // namespace coffer::http
