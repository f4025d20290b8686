#include "coffer/cache/entry.hpp"

#include "coffer/cache/nonce.hpp"
#include "support/catch.hpp"

namespace cache_entry_test {

using namespace coffer;
using namespace coffer::cache;

TEST_CASE("a value comes back with its version and its bytes") {
  const std::string tag = value_tag("2026-11-22~n", "run");
  const std::string json = "{\"a\":\"\n\"}";
  for (const std::int64_t v : {std::int64_t{0}, std::int64_t{7}, max_json_integer}) {
    const std::string raw = encode_value(tag, version{v}, json);
    const entry e = decode_entry(raw, tag);
    CHECK(e.kind == entry_kind::value);
    CHECK(e.at == version{v});
    CHECK(raw.substr(e.json_begin) == json);
  }
}

TEST_CASE("a value of another epoch or server run is foreign") {
  const std::string raw = encode_value(value_tag("e~1", "run"), version{1}, "{}");
  CHECK(decode_entry(raw, value_tag("e~2", "run")).kind == entry_kind::foreign);
  CHECK(decode_entry(raw, value_tag("e~1", "ran")).kind == entry_kind::foreign);
  CHECK(decode_entry(raw, value_tag("e~1", "ru")).kind == entry_kind::foreign);
}

TEST_CASE("leases and fences are told apart from values") {
  CHECK(decode_entry("Labc-1", "V e r ").kind == entry_kind::lease);
  CHECK(decode_entry(nonce_source{}.next("L"), "V e r ").kind == entry_kind::lease);
  const entry fence = decode_entry(encode_fence(version{12}), "V e r ");
  CHECK(fence.kind == entry_kind::fence);
  CHECK(fence.at == version{12});
}

TEST_CASE("everything else is garbage") {
  const std::string tag = value_tag("e", "r");
  for (const std::string& raw :
       {std::string{}, std::string{"L"}, std::string{"L a"}, std::string{"F"}, std::string{"F-1"}, std::string{"F1x"},
        std::string{"F99999999999999999999"}, std::string{"{}"}, std::string{"\0\0", 2}, tag, tag + "1", tag + "1\n",
        tag + "\n{}", tag + "x\n{}", tag + "-1\n{}", tag + "1\n[]", tag + "1\n{", tag + "1\n{} ",
        "L" + std::string(64, 'x')}) {
    INFO(raw);
    CHECK(decode_entry(raw, tag).kind == entry_kind::garbage);
  }
}

TEST_CASE("an epoch is visible ASCII and not long") {
  CHECK(is_epoch("2026-11-22~x"));
  CHECK(!is_epoch(""));
  CHECK(!is_epoch("a b"));
  CHECK(!is_epoch("a\n"));
  CHECK(!is_epoch("\xc3\xa4"));
  CHECK(is_epoch(std::string(128, 'x')));
  CHECK(!is_epoch(std::string(129, 'x')));
}

TEST_CASE("nonces never repeat") {
  nonce_source a;
  nonce_source b;
  CHECK(a.next() != a.next());
  CHECK(a.next() != b.next());
}

}  // namespace cache_entry_test
