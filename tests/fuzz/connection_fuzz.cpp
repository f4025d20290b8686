// A connection's bytes, however they are cut: the same requests, refused at the same place, and nothing behind that.
// Only the reason may differ: what cannot become a request is refused before its first line is whole.
#include <string>
#include <vector>

#include "coffer/http/parser.hpp"
#include "fuzz/fuzz.hpp"

namespace {

using namespace coffer;

/// Everything that a connection's bytes mean.
std::vector<std::string> meaning_of(std::string_view bytes, std::size_t step, bool streams) {
  static const http::limits limits = [] {
    http::limits l;
    l.request_line = 256;
    l.header_block = 512;
    l.header_count = 10;
    l.body = 256;
    return l;
  }();
  http::parser parser{limits, streams ? http::parser::bodies::in_pieces : http::parser::bodies::whole};
  std::vector<std::string> meaning;
  http::request request;
  std::string unread;
  std::size_t at = 0;
  while (true) {
    if (!unread.empty()) {
      const http::parser::step done = parser.feed(unread, request);
      fuzz::require(done.consumed <= unread.size(), "no more is consumed than was fed");
      unread.erase(0, done.consumed);
      if (done.result == http::parser::status::rejected) {
        meaning.emplace_back("refused");
        fuzz::require(parser.refusal().status >= 400, "a refusal has a status of errors");
        return meaning;
      }
      if (done.result == http::parser::status::complete) {
        std::string text = std::string{to_string(request.verb)} + " " + std::string{request.target()};
        for (std::size_t i = 0; i < request.header_count(); ++i) {
          const auto [name, value] = request.header_at(i);
          text.append("\n").append(name).append(":").append(value);
        }
        text.append("\n\n").append(request.body);
        fuzz::require(request.header_count() <= limits.header_count, "headers are limited");
        fuzz::require(streams || request.body.size() <= limits.body, "bodies are limited");
        meaning.push_back(std::move(text));
        request.clear();
        parser.next();
        continue;
      }
      if (done.result == http::parser::status::body) {
        continue;
      }
    }
    if (at == bytes.size()) {
      return meaning;
    }
    const std::size_t next = std::min(step, bytes.size() - at);
    unread.append(bytes.substr(at, next));
    at += next;
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::decisions from{fuzz::text_of(data, size)};
  const std::size_t step = std::size_t{1} + from.byte() % 64;
  const bool streams = from.byte() % 4 == 0;
  const std::string_view bytes = from.rest();
  const auto whole = meaning_of(bytes, std::max<std::size_t>(bytes.size(), 1), streams);
  const auto cut = meaning_of(bytes, step, streams);
  fuzz::require(whole == cut, "how bytes are cut changes nothing");
  return 0;
}
