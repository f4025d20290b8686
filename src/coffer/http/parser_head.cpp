// The part of a parser that reads heads.
#include <algorithm>

#include "coffer/base/assert.hpp"
#include "coffer/http/parser_machine.hpp"
#include "coffer/http/syntax.hpp"

namespace coffer::http {

namespace {

/// Control characters, tabs excepted. One pass without branches, so that the compiler can vectorise it.
std::size_t count_controls(std::string_view text) noexcept {
  std::size_t found = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    found += static_cast<std::size_t>((byte < 0x20 && byte != '\t') || byte == 0x7f);
  }
  return found;
}

}  // namespace

int parser::machine::on_field(llhttp_t* p, const char* at, std::size_t size) {
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

int parser::machine::on_value(llhttp_t* p, const char* at, std::size_t size) {
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

int parser::machine::on_headers_complete(llhttp_t* p) {
  machine& m = of(p);
  m.head_complete = true;
  m.chunked = (p->flags & F_CHUNKED) != 0;
  m.declared = (p->flags & F_CONTENT_LENGTH) != 0 ? p->content_length : 0;
  m.keep_alive = llhttp_should_keep_alive(p) != 0;
  // Nothing is upgraded here: the request is answered as any other (RFC 9110 section 7.8).
  p->upgrade = 0;
  return 1;  // llhttp sees no body: parser_body.cpp reads it
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

std::optional<rejection> parser::machine::check_framing(const framing& f, const request& r) {
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

std::optional<rejection> parser::machine::check_coding(const framing& f, const request& r) {
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

}  // namespace coffer::http
