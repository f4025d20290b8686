#include "coffer/http/parser.hpp"

#include "coffer/base/assert.hpp"
#include "coffer/http/parser_machine.hpp"
#include "coffer/http/syntax.hpp"

namespace coffer::http {

void parser::machine::restart() noexcept {
  llhttp_init(&http, HTTP_REQUEST, &settings());
  http.data = this;
  at = phase::start;
  refused.reset();
  searched = line_begin = fields_begin = head_end = lines = 0;
  skipped_empty_line = false;
  spans.clear();
  broken_span = chunked = head_complete = wants_continue = streamed = whole = false;
  declared = 0;
  keep_alive = true;
  data_bytes = extra_bytes = 0;
  chunks = chunk_reader{};
}

const llhttp_settings_t& parser::machine::settings() {
  static const llhttp_settings_t instance = [] {
    llhttp_settings_t s;
    llhttp_settings_init(&s);
    s.on_header_field = on_field;
    s.on_header_value = on_value;
    s.on_headers_complete = on_headers_complete;
    s.on_message_complete = on_message_complete;
    return s;
  }();
  return instance;
}

/// Behind the head: what follows it is none of llhttp's business.
int parser::machine::on_message_complete(llhttp_t*) { return HPE_PAUSED; }

parser::step parser::machine::feed(std::string_view unread, request& r) {
  COFFER_ASSERT(at != phase::done);
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

/// Feeds llhttp with a head. `size` becomes the number of bytes it read, unless it failed.
llhttp_errno_t parser::machine::execute(std::string_view bytes, std::size_t& size) {
  const llhttp_errno_t outcome = llhttp_execute(&http, bytes.data(), bytes.size());
  size = bytes.size();
  if (outcome == HPE_PAUSED) {
    size = static_cast<std::size_t>(llhttp_get_error_pos(&http) - bytes.data());
    return HPE_OK;
  }
  return outcome;
}

parser::parser(const limits& l, bodies how) : machine_{std::make_unique<machine>(l, how)} {}
parser::~parser() = default;

parser::step parser::feed(std::string_view unread, request& r) { return machine_->feed(unread, r); }

const rejection& parser::refusal() const {
  COFFER_ASSERT(machine_->refused);
  return *machine_->refused;
}

std::optional<rejection> parser::limit_to_whole() {
  COFFER_ASSERT(machine_->at == phase::body);
  machine_->streamed = false;
  return machine_->declared > machine_->most.body ? std::optional{body_too_large()} : std::nullopt;
}

parser::phase parser::where() const noexcept { return machine_->at; }

bool parser::expects_continue() const noexcept { return machine_->at == phase::body && machine_->wants_continue; }

void parser::next() noexcept { machine_->restart(); }

}  // namespace coffer::http
