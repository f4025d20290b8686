// Idempotency keys, as the header's value and as a decoded segment of a path: a key has two spellings, bare and quoted.
#include <algorithm>
#include <string>

#include "coffer/api/idempotency.hpp"
#include "fuzz/fuzz.hpp"

namespace {

using namespace coffer;

bool fits(std::string_view key) {
  return !key.empty() && key.size() <= 255 && std::ranges::all_of(key, [](char c) { return c > ' ' && c < 0x7F; });
}

std::string quoted(std::string_view key) {
  std::string text = "\"";
  for (const char c : key) {
    text.append(c == '"' || c == '\\' ? "\\" : "").append(1, c);
  }
  return text + '"';
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  const auto key = api::parse_idempotency_key(text);
  if (key) {
    fuzz::require(fits(*key), "a key has 1 to 255 visible ASCII characters");
    fuzz::require(*key == text || quoted(*key) == text, "a key has two spellings");
    fuzz::require(api::parse_idempotency_key(quoted(*key)) == *key, "a key in quotes is the same key");
  } else {
    fuzz::require(key.error().code == errc::invalid_idempotency_key, "one code for all that is wrong with a key");
    fuzz::require(!fits(text) || text.front() == '"', "every bare key that fits is one");
  }

  http::request request;
  fuzz::require(api::idempotency_key(request) == std::string{}, "no header is no key");
  request.add_header("idempotency-key", text);
  const auto sent = api::idempotency_key(request);
  fuzz::require(sent.has_value() == key.has_value() && (!key || *sent == *key), "a header says what a path says");
  request.add_header("Idempotency-Key", text);
  fuzz::require(!api::idempotency_key(request), "there is one key or none");
  return 0;
}
