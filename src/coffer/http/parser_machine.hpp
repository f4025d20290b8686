// The inside of a parser, for its own files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llhttp.h>

#include "coffer/http/chunk_reader.hpp"
#include "coffer/http/parser.hpp"

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

}  // namespace coffer::http
