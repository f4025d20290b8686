// What stands for tls.cpp in a program built with -Dtls=false: nothing has a context, so no connection has a channel.
#include <stdexcept>

#include "coffer/base/assert.hpp"
#include "coffer/net/tls.hpp"

namespace coffer::net {

namespace {

[[noreturn]] void refuse() { throw std::runtime_error{"this program was built without TLS (meson setup -Dtls=false)"}; }

}  // namespace

bool has_tls() noexcept { return false; }

struct tls_context::state {};

tls_context::tls_context(std::unique_ptr<state> s) : state_{std::move(s)} {}
tls_context::~tls_context() = default;
std::chrono::sys_seconds tls_context::expires_at() const noexcept { return {}; }
std::shared_ptr<const tls_context> tls_context::for_server(const std::string&, const std::string&) { refuse(); }
std::shared_ptr<const tls_context> tls_context::for_client(const tls_peer&) { refuse(); }
std::shared_ptr<const tls_context> tls_context::for_unverified_client() { refuse(); }

struct tls_channel::engine {};

tls_channel::tls_channel(std::shared_ptr<const tls_context>, int) { refuse(); }
tls_channel::~tls_channel() = default;
tls_channel::handshake tls_channel::shake_hands() { refuse(); }
io_result tls_channel::read(std::span<char>) { refuse(); }
io_result tls_channel::write(std::string_view) { refuse(); }
bool tls_channel::has_input() { refuse(); }
void tls_channel::finish() {}

}  // namespace coffer::net
