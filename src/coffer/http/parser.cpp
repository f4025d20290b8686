#include "coffer/http/parser.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include <llhttp.h>

#include "coffer/base/assert.hpp"
#include "coffer/http/syntax.hpp"

namespace coffer::http {

namespace {

/// simdjson reads up to this many bytes behind a body, without using them.
constexpr std::size_t body_padding = 64;

rejection malformed(std::string detail) { return rejection{400, errc::malformed_request, std::move(detail)}; }

rejection body_too_large() {
  return rejection{413, errc::content_too_large, "The body is larger than this server accepts."};
}

rejection headers_too_large() {
  return rejection{431, errc::header_fields_too_large,
                   "The header fields are more or larger than this server accepts."};
}

/// Control characters, tabs excepted. One pass without branches, so that the compiler can vectorise it.
std::size_t count_controls(std::string_view text) noexcept {
  std::size_t found = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    found += static_cast<std::size_t>((byte < 0x20 && byte != '\t') || byte == 0x7f);
  }
  return found;
}

/// Bytes of a chunk's framing that cannot be spared: the size in hexadecimal, its line end and the one of the data.
std::size_t framing_of(std::uint64_t chunk_size) noexcept {
  std::size_t digits = 1;
  for (; chunk_size > 15; chunk_size >>= 4) {
    ++digits;
  }
  return digits + 4;
}

/// The value of the first field called `name` (lower case) in lines that llhttp did not read to their end.
std::string_view find_raw_field(std::string_view fields, std::string_view name) noexcept {
  while (!fields.empty()) {
    const std::size_t end = fields.find("\r\n");
    if (end == 0 || end == std::string_view::npos) {
      break;
    }
    const std::string_view line = fields.substr(0, end);
    if (line.size() > name.size() && line[name.size()] == ':' &&
        equal_ignoring_case(line.substr(0, name.size()), name)) {
      return trim(line.substr(name.size() + 1));
    }
    fields.remove_prefix(end + 2);
  }
  return {};
}

}  // namespace

/// The state of one connection's parser. llhttp's callbacks find it through llhttp_t::data.
struct parser::machine {
  machine(const limits& l, streams asks) : most{l}, asks_for_stream{std::move(asks)} { restart(); }

  /// What the fields of a head say about its body.
  struct framing {
    std::size_t hosts = 0;
    std::size_t lengths = 0;
    std::size_t encodings = 0;
    std::size_t expectations = 0;
    std::string_view length;
    std::string_view encoding;
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
  step feed_body(std::string_view unread, request& r);
  bool valid_trailers(std::string_view bytes);
  [[nodiscard]] bool chunk_overhead_too_large() const;
  [[nodiscard]] std::size_t body_limit() const { return streamed ? most.streamed_body : most.body; }
  llhttp_errno_t execute(std::string_view bytes, std::size_t& size);

  static int on_field(llhttp_t* p, const char* at, std::size_t size);
  static int on_value(llhttp_t* p, const char* at, std::size_t size);
  static int on_headers_complete(llhttp_t* p);
  static int on_body(llhttp_t* p, const char* at, std::size_t size);
  static int on_chunk_header(llhttp_t* p);
  static int on_message_complete(llhttp_t* p);
  static const llhttp_settings_t& settings();
  static machine& of(llhttp_t* p) { return *static_cast<machine*>(p->data); }

  const limits& most;
  const streams asks_for_stream;
  llhttp_t http{};
  phase at = phase::start;
  std::optional<rejection> refused;
  request* target = nullptr;  ///< valid during feed()

  // The head so far, as offsets into what is fed.
  std::size_t searched = 0;      ///< no line end before this that is not accounted for
  std::size_t line_begin = 0;    ///< of the line that is being looked for
  std::size_t fields_begin = 0;  ///< behind the request line; 0 while that is incomplete
  std::size_t head_end = 0;      ///< behind the empty line; 0 while that is missing
  std::size_t lines = 0;         ///< complete field lines
  bool skipped_empty_line = false;

  /// A field as llhttp saw it; points into the head that is being read.
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
  bool message_complete = false;
  bool too_large = false;
  bool wants_continue = false;
  bool streamed = false;
  std::size_t data_bytes = 0;  ///< of the body, without framing

  // Of a chunked body.
  std::size_t body_bytes = 0;  ///< fed behind the head
  std::size_t framing_bytes = 0;
  bool in_trailers = false;
  bool at_line_begin = true;
  std::size_t trailer_lines = 0;
};

void parser::machine::restart() noexcept {
  llhttp_init(&http, HTTP_REQUEST, &settings());
  http.data = this;
  at = phase::start;
  refused.reset();
  searched = line_begin = fields_begin = head_end = lines = 0;
  skipped_empty_line = false;
  spans.clear();
  broken_span = chunked = head_complete = message_complete = too_large = wants_continue = streamed = false;
  declared = 0;
  keep_alive = true;
  body_bytes = framing_bytes = trailer_lines = data_bytes = 0;
  in_trailers = false;
  at_line_begin = true;
}

const llhttp_settings_t& parser::machine::settings() {
  static const llhttp_settings_t instance = [] {
    llhttp_settings_t s;
    llhttp_settings_init(&s);
    s.on_header_field = on_field;
    s.on_header_value = on_value;
    s.on_headers_complete = on_headers_complete;
    s.on_body = on_body;
    s.on_chunk_header = on_chunk_header;
    s.on_message_complete = on_message_complete;
    return s;
  }();
  return instance;
}

int parser::machine::on_field(llhttp_t* p, const char* at, std::size_t size) {
  machine& m = of(p);
  if (m.at == phase::body) {
    return HPE_OK;
  }
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

int parser::machine::on_value(llhttp_t* p, const char* at, std::size_t size) {
  machine& m = of(p);
  if (m.at == phase::body) {
    return HPE_OK;
  }
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

int parser::machine::on_headers_complete(llhttp_t* p) {
  machine& m = of(p);
  m.head_complete = true;
  m.chunked = (p->flags & F_CHUNKED) != 0;
  m.declared = (p->flags & F_CONTENT_LENGTH) != 0 ? p->content_length : 0;
  m.keep_alive = llhttp_should_keep_alive(p) != 0;
  // Nothing is upgraded here: the request is answered as any other (RFC 9110 section 7.8).
  p->upgrade = 0;
  return 0;
}

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
  return m.in_trailers ? HPE_PAUSED : HPE_OK;
}

int parser::machine::on_message_complete(llhttp_t* p) {
  of(p).message_complete = true;
  return HPE_PAUSED;
}

parser::step parser::machine::feed(std::string_view unread, request& r) {
  COFFER_ASSERT(at != phase::done);
  target = &r;
  if (at == phase::body) {
    return feed_body(unread, r);
  }
  std::size_t skipped = 0;
  if (at == phase::start && !skipped_empty_line && unread.starts_with("\r\n")) {
    // One empty line before a request is ignored (RFC 9112 section 2.2).
    skipped_empty_line = true;
    skipped = 2;
    unread.remove_prefix(2);
  }
  if (unread.empty() || (at == phase::start && unread == "\r")) {
    return {status::need_more, skipped};
  }
  at = phase::head;
  step result = feed_head(unread, r);
  if (result.result == status::rejected) {
    const std::string_view seen = fields_begin > 0 ? unread.substr(fields_begin) : std::string_view{};
    const std::string_view id = find_raw_field(seen, "x-request-id");
    r.request_id = acceptable_request_id(id) ? id : std::string_view{};
  } else if (at == phase::body && !streamed && unread.size() > head_end) {
    result = feed_body(unread.substr(head_end), r);
    result.consumed += head_end;
  }
  result.consumed += skipped;
  return result;
}

parser::step parser::machine::feed_head(std::string_view unread, request& r) {
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
std::optional<rejection> parser::machine::find_request_line(std::string_view unread, request& r) {
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
std::optional<rejection> parser::machine::find_lines(std::string_view unread) {
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
parser::step parser::machine::read_head(std::string_view head, request& r) {
  // Request line, fields and empty line end with CR LF; beyond those two per line there is no control character.
  if (count_controls(head) != 2 * (lines + 2)) {
    return refuse(malformed("The head holds a control character."));
  }
  std::size_t size = 0;
  const llhttp_errno_t outcome = execute(head, size);
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
  if (auto why = take_fields(r)) {
    return refuse(*std::move(why));
  }
  r.keep_alive = keep_alive && r.verb != method::connect;
  at = message_complete ? phase::done : phase::body;
  if (message_complete) {
    return {status::complete, head.size()};
  }
  return {streamed ? status::streaming : status::need_more, head.size()};
}

/// Moves the fields to the request and checks those that say where it ends.
std::optional<rejection> parser::machine::take_fields(request& r) {
  framing f;
  for (const span& s : spans) {
    const std::string_view value = trim(s.value);
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
      ++f.encodings;
      f.encoding = value;
    } else if (equal_ignoring_case(s.name, "expect")) {
      ++f.expectations;
      f.expectation = value;
    } else if (equal_ignoring_case(s.name, "x-request-id") && r.request_id.empty() && acceptable_request_id(value)) {
      r.request_id = value;
    }
  }
  return check_framing(f, r);
}

std::optional<rejection> parser::machine::check_framing(const framing& f, const request& r) {
  if (f.hosts > 1 || f.bad_host || (f.hosts == 0 && r.minor_version > 0)) {
    return malformed(f.hosts == 0 ? "The Host field is missing." : "The Host field is malformed or there twice.");
  }
  if (f.encodings > 0) {
    if (f.encodings > 1 || f.encoding != "chunked" || r.minor_version == 0) {
      return malformed("The only transfer coding is chunked, once, and not in HTTP/1.0.");
    }
    if (f.lengths > 0) {
      return malformed("Content-Length and Transfer-Encoding exclude each other.");
    }
  }
  if (chunked != (f.encodings == 1)) {
    return malformed("The transfer coding is ambiguous.");
  }
  if (auto why = check_length(f)) {
    return why;
  }
  if (f.expectations > 0 && (f.expectations > 1 || !equal_ignoring_case(f.expectation, "100-continue"))) {
    return rejection{417, errc::expectation_failed, "The only expectation met here is 100-continue."};
  }
  streamed = (chunked || declared > 0) && asks_for_stream && asks_for_stream(r);
  if (declared > body_limit()) {
    return body_too_large();
  }
  wants_continue = f.expectations == 1 && r.minor_version > 0;
  return std::nullopt;
}

std::optional<rejection> parser::machine::check_length(const framing& f) const {
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

/// Feeds llhttp. `size` becomes the number of bytes it read, unless it failed.
llhttp_errno_t parser::machine::execute(std::string_view bytes, std::size_t& size) {
  const llhttp_errno_t outcome = llhttp_execute(&http, bytes.data(), bytes.size());
  size = bytes.size();
  if (outcome == HPE_PAUSED) {
    size = static_cast<std::size_t>(llhttp_get_error_pos(&http) - bytes.data());
    llhttp_resume(&http);
    return HPE_OK;
  }
  return outcome;
}

parser::step parser::machine::feed_body(std::string_view unread, request& r) {
  if (body_bytes == 0 && !streamed) {
    r.body.reserve((chunked ? unread.size() : static_cast<std::size_t>(declared)) + body_padding);
  }
  std::size_t consumed = 0;
  while (consumed < unread.size() && !message_complete) {
    const bool trailing = in_trailers;
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

/// Chunk extensions, needless zeros and trailers are part of the header block, and trailers of the count.
bool parser::machine::chunk_overhead_too_large() const {
  if (!chunked) {
    return false;
  }
  // The framing of a chunk is known at the end of its first line: until then that line may be all needed.
  constexpr std::size_t longest_line = 16 + 2;
  const std::size_t unknown = message_complete ? 0 : longest_line;
  const std::size_t needed = data_bytes + framing_bytes + unknown;
  const std::size_t spent = head_end - fields_begin + (body_bytes > needed ? body_bytes - needed : 0);
  // A long stream may spend as much as it brings: some clients pad the sizes of their chunks.
  const std::size_t earned = streamed ? data_bytes : 0;
  return spent > most.header_block + earned || lines + trailer_lines > most.header_count;
}

parser::parser(const limits& l, streams asks) : machine_{std::make_unique<machine>(l, std::move(asks))} {}
parser::~parser() = default;

parser::step parser::feed(std::string_view unread, request& r) { return machine_->feed(unread, r); }

const rejection& parser::refusal() const {
  COFFER_ASSERT(machine_->refused);
  return *machine_->refused;
}

parser::phase parser::where() const noexcept { return machine_->at; }

bool parser::expects_continue() const noexcept { return machine_->at == phase::body && machine_->wants_continue; }

void parser::next() noexcept { machine_->restart(); }

}  // namespace coffer::http
