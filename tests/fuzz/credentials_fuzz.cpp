// The header Authorization, tokens and key sets: nobody gets in whose signature was not made with the key.
#include <string>

#include "coffer/auth/authenticator.hpp"
#include "coffer/base/base64url.hpp"
#include "fuzz/fuzz.hpp"

namespace {

using namespace coffer;

auth::authenticator& door() {
  static auth::authenticator made = [] {
    auth::authenticator_options how;
    how.required = true;
    how.tokens.issuer = "i";
    how.tokens.audience = "a";
    auth::authenticator d{how};
    std::string set = R"({"keys":[{"kid":"k","kty":"oct","k":")" + to_base64url(std::string(32, 's')) + R"("}]})";
    d.replace_token_keys(std::make_shared<const auth::jwt_keys>(
        auth::jwt_keys::parse(std::move(set), {auth::algorithm::hs256}).value()));
    return d;
  }();
  return made;
}

void must_not_enter(const std::string& header) {
  auto found = door().check(header, 1, auth::key_ring::clock::now());
  if (const auto* const token = std::get_if<auth::unverified_token>(&found)) {
    const auth::unverified_token asked = *token;
    found = door().verify(asked);
  }
  fuzz::require(!std::holds_alternative<auth::principal>(found), "nobody gets in without a key");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::decisions from{fuzz::text_of(data, size)};
  const std::uint8_t kind = from.byte();
  const std::string_view text = from.rest();
  switch (kind % 4) {
    case 0:
      must_not_enter(std::string{text});
      break;
    case 1:
      must_not_enter("Bearer " + std::string{text});
      break;
    case 2: {
      // Head, claims and signature, on three lines: most mutations are well-formed tokens.
      const std::size_t first = std::min(text.find('\n'), text.size());
      const std::string_view behind = text.substr(std::min(first + 1, text.size()));
      const std::size_t second = std::min(behind.find('\n'), behind.size());
      must_not_enter("Bearer " + to_base64url(text.substr(0, first)) + "." + to_base64url(behind.substr(0, second)) +
                     "." + to_base64url(behind.substr(std::min(second + 1, behind.size()))));
      break;
    }
    default: {
      const auto keys = auth::jwt_keys::parse(std::string{text}, {auth::algorithm::hs256, auth::algorithm::es256,
                                                                  auth::algorithm::eddsa, auth::algorithm::rs256});
      fuzz::require(keys ? keys->size() > 0 : !keys.error().empty(), "a key set is refused with a reason");
    }
  }
  return 0;
}
