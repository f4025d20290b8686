#include "coffer/http/input_buffer.hpp"

#include <cstring>
#include <string>

#include "support/catch.hpp"

namespace http_input_buffer_test {

using namespace coffer;

namespace {

void fill(http::input_buffer& buffer, std::string_view text) {
  while (!text.empty()) {
    const auto room = buffer.prepare();
    REQUIRE_FALSE(room.empty());
    const std::size_t size = std::min(room.size(), text.size());
    std::memcpy(room.data(), text.data(), size);
    buffer.commit(size);
    text.remove_prefix(size);
  }
}

}  // namespace

TEST_CASE("an input buffer keeps bytes in order while it grows to its limit") {
  http::input_buffer buffer{10'000};
  std::string text;
  for (int i = 0; text.size() < 10'000; ++i) {
    text += std::to_string(i);
  }
  text.resize(10'000);
  fill(buffer, text);
  CHECK(buffer.view() == text);
  CHECK(buffer.capacity() == 10'000);
  CHECK(buffer.prepare().empty());
}

TEST_CASE("an input buffer uses the room of what was consumed before it grows") {
  http::input_buffer buffer{100'000};
  const std::string text(http::input_buffer::smallest, 'a');
  fill(buffer, text);
  buffer.consume(1000);
  fill(buffer, std::string(1000, 'b'));
  CHECK(buffer.capacity() == http::input_buffer::smallest);
  CHECK(buffer.view() == std::string(http::input_buffer::smallest - 1000, 'a') + std::string(1000, 'b'));
}

TEST_CASE("an input buffer shrinks when it is empty") {
  http::input_buffer buffer{100'000};
  fill(buffer, std::string(50'000, 'a'));
  buffer.consume(50'000);
  CHECK(buffer.prepare().size() == http::input_buffer::smallest);
}

}  // namespace http_input_buffer_test
