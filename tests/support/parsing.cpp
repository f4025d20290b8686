#include "support/parsing.hpp"

#include <stdexcept>

#include "coffer/http/parser.hpp"

namespace coffer::test {

namespace {

std::string describe(const http::request& r) {
  std::string text{to_string(r.verb)};
  text.append(" ").append(r.target());
  for (std::size_t i = 0; i < r.header_count(); ++i) {
    const auto [name, value] = r.header_at(i);
    text.append(" [").append(name).append(": ").append(value).append("]");
  }
  if (!r.body.empty()) {
    text.append(" body=").append(r.body);
  }
  if (r.minor_version == 0) {
    text += " 1.0";
  }
  if (!r.keep_alive) {
    text += " close";
  }
  return text + "\n";
}

}  // namespace

std::string parse_in_pieces(const std::vector<std::string_view>& pieces, const http::limits& most) {
  http::parser parser{most};
  http::request r;
  std::string unread;
  std::string seen;
  for (const std::string_view piece : pieces) {
    unread += piece;
    while (!unread.empty()) {
      // A copy of exactly the size, so that a sanitizer sees a read behind the end.
      const std::vector<char> exact{unread.begin(), unread.end()};
      const auto step = parser.feed({exact.data(), exact.size()}, r);
      if (step.consumed > unread.size()) {
        throw std::runtime_error("the parser consumed more than it was fed");
      }
      unread.erase(0, step.consumed);
      if (step.result == http::parser::status::rejected) {
        return seen + std::to_string(parser.refusal().status) + " " + std::string{to_string(parser.refusal().code)} +
               (r.request_id.empty() ? "" : " id=" + r.request_id) + "\n";
      }
      if (step.result == http::parser::status::need_more) {
        break;
      }
      if (r.body.capacity() < r.body.size() + 64 && !r.body.empty()) {
        throw std::runtime_error("no padding behind the body");
      }
      seen += describe(r);
      r.clear();
      parser.next();
    }
  }
  return parser.where() == http::parser::phase::start ? seen : seen + "...\n";
}

std::string parse_all_ways(std::string_view bytes, const http::limits& most) {
  const std::string expected = parse_in_pieces({bytes}, most);
  const auto compare = [&](const std::vector<std::string_view>& pieces, const std::string& how) {
    const std::string outcome = parse_in_pieces(pieces, most);
    if (outcome != expected) {
      throw std::runtime_error(how + " gives\n" + outcome + "instead of\n" + expected);
    }
  };
  std::vector<std::string_view> single;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    single.push_back(bytes.substr(i, 1));
  }
  compare(single, "byte by byte");
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    compare({bytes.substr(0, cut), bytes.substr(cut)}, "a cut at " + std::to_string(cut));
  }
  return expected;
}

}  // namespace coffer::test
