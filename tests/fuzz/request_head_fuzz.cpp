// One head: what is accepted has a meaning that can be written down and read again.
#include <string>

#include "coffer/http/parser.hpp"
#include "coffer/http/query_string.hpp"
#include "fuzz/fuzz.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace coffer;
  static const http::limits limits;
  const std::string bytes = std::string{fuzz::text_of(data, size)} + "\r\n\r\n";
  http::parser parser{limits};
  http::request first;
  const auto done = parser.feed(bytes, first);
  if (done.result != http::parser::status::complete || !first.body.empty()) {
    return 0;
  }
  static_cast<void>(http::query_string::parse(first.query()));
  std::string again = std::string{to_string(first.verb)} + " " + std::string{first.target()} + " HTTP/1." +
                      std::to_string(first.minor_version) + "\r\n";
  for (std::size_t i = 0; i < first.header_count(); ++i) {
    const auto [name, value] = first.header_at(i);
    fuzz::require(value.find_first_of(std::string_view{"\r\n\0", 3}) == std::string_view::npos,
                  "a header's value holds no line break and no NUL");
    again.append(name).append(": ").append(value).append("\r\n");
  }
  again += "\r\n";
  if (first.list("Transfer-Encoding")) {
    again += "0\r\n\r\n";  // the body was empty
  }
  http::parser second_parser{limits};
  http::request second;
  const auto redone = second_parser.feed(again, second);
  // Written out anew a head may only grow, by the space behind each colon.
  if (redone.result == http::parser::status::rejected) {
    fuzz::require(second_parser.refusal().status == 431 || second_parser.refusal().status == 414,
                  "what was accepted is accepted again");
    return 0;
  }
  fuzz::require(redone.result == http::parser::status::complete, "what was complete is complete");
  fuzz::require(second.target() == first.target() && second.header_count() == first.header_count() &&
                    second.keep_alive == first.keep_alive,
                "what was read is read again");
  return 0;
}
