#include "coffer/net/tls.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <stdexcept>
#include <system_error>

#include <fmt/format.h>

namespace coffer::net {

namespace {

/// The cipher suites of TLS 1.2 that RFC 9325 section 4.2 recommends, and ChaCha20 for clients without AES in hardware.
constexpr const char* ciphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

/// In the form of ALPN: a length, a name (RFC 7301 section 3.1).
constexpr std::string_view protocols{"\x08http/1.1"};

/// The first thing that OpenSSL has noted, which later ones follow from; forgets all of them.
std::string reason() {
  const unsigned long code = ERR_peek_error();
  ERR_clear_error();
  if (ERR_SYSTEM_ERROR(code)) {
    return std::generic_category().message(ERR_GET_REASON(code));
  }
  const char* const text = ERR_reason_error_string(code);
  return text == nullptr ? "unknown" : text;
}

[[noreturn]] void fail(std::string_view what, const std::string& file) {
  throw std::runtime_error{fmt::format("{}: {} ({})", file, what, reason())};
}

/// Keys with a passphrase are refused: nobody is there to type it.
int no_passphrase(char*, int, int, void*) { return -1; }

int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
                    unsigned int offered_size, void*) {
  unsigned char* found = nullptr;
  const auto* const ours = reinterpret_cast<const unsigned char*>(protocols.data());
  if (SSL_select_next_proto(&found, size, ours, protocols.size(), offered, offered_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

std::chrono::sys_seconds expiry_of(const X509* certificate) {
  std::tm when{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &when) != 1) {
    return {};
  }
  return std::chrono::sys_seconds{std::chrono::seconds{::timegm(&when)}};
}

/// Records that a peer may send without any application data: a handshake of 1-byte fragments and then a few changes of
/// keys. OpenSSL goes on to the next record by itself, as fast as they come, for as long as they come.
constexpr int idle_records = 1024;

/// The wire of one connection, as its BIO sees it.
struct wire {
  int socket = -1;
  int records = 0;  ///< that came since the last application data
};

// OpenSSL's own way to a socket raises SIGPIPE when the peer has gone; this one does not.

wire& wire_of(BIO* bio) { return *static_cast<wire*>(BIO_get_data(bio)); }

void count_record(int sent, int, int content_type, const void*, std::size_t, SSL*, void* arg) {
  if (sent == 0 && content_type == SSL3_RT_HEADER) {
    ++static_cast<wire*>(arg)->records;
  }
}

int moved_or_retry(BIO* bio, ssize_t size, int when_blocked) {
  BIO_clear_retry_flags(bio);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
    BIO_set_flags(bio, when_blocked | BIO_FLAGS_SHOULD_RETRY);
  }
  return static_cast<int>(size);
}

int write_to_socket(BIO* bio, const char* bytes, int size) {
  const ssize_t sent = ::send(wire_of(bio).socket, bytes, static_cast<std::size_t>(size), MSG_DONTWAIT | MSG_NOSIGNAL);
  return moved_or_retry(bio, sent, BIO_FLAGS_WRITE);
}

int read_from_socket(BIO* bio, char* room, int size) {
  if (wire_of(bio).records > idle_records) {
    errno = EPROTO;
    return moved_or_retry(bio, -1, BIO_FLAGS_READ);
  }
  const ssize_t got = ::recv(wire_of(bio).socket, room, static_cast<std::size_t>(size), MSG_DONTWAIT);
  if (got == 0) {
    BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  }
  return moved_or_retry(bio, got, BIO_FLAGS_READ);
}

long control_socket(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_EOF) {
    return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
  }
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

const BIO_METHOD* socket_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* const made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    BIO_meth_set_write(made, write_to_socket);
    BIO_meth_set_read(made, read_from_socket);
    BIO_meth_set_ctrl(made, control_socket);
    BIO_meth_set_create(made, [](BIO* bio) {
      BIO_set_init(bio, 1);
      return 1;
    });
    return made;
  }();
  return method;
}

struct context_deleter {
  void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
};

std::unique_ptr<SSL_CTX, context_deleter> make_context(const SSL_METHOD* method) {
  std::unique_ptr<SSL_CTX, context_deleter> made{SSL_CTX_new(method)};
  if (!made) {
    throw std::runtime_error{"OpenSSL: " + reason()};
  }
  SSL_CTX* const c = made.get();
  SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
  // A connection that ends without a farewell is an ordinary end: HTTP says itself whether a message is whole.
  SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  // One call of the system for a record instead of two.
  SSL_CTX_set_read_ahead(c, 1);
  return made;
}

/// The certificate with its chain and its key, which must belong together.
void use_certificate(SSL_CTX* c, const std::string& certificate, const std::string& key) {
  SSL_CTX_set_default_passwd_cb(c, no_passphrase);
  if (SSL_CTX_use_certificate_chain_file(c, certificate.c_str()) != 1) {
    fail("cannot be read as a PEM certificate chain", certificate);
  }
  if (SSL_CTX_use_PrivateKey_file(c, key.c_str(), SSL_FILETYPE_PEM) != 1) {
    fail("cannot be read as a PEM key without a passphrase, or is not that of the certificate", key);
  }
  if (SSL_CTX_check_private_key(c) != 1) {
    fail("is not the key of the certificate", key);
  }
}

}  // namespace

struct tls_context::state {
  std::unique_ptr<SSL_CTX, context_deleter> context;
  std::chrono::sys_seconds expires_at;
  bool is_server = false;
  std::string asked_name;  ///< of a client: the host name that it asks for; empty: none
};

tls_context::tls_context(std::unique_ptr<state> s) : state_{std::move(s)} {}
tls_context::~tls_context() = default;

std::chrono::sys_seconds tls_context::expires_at() const noexcept { return state_->expires_at; }

std::shared_ptr<const tls_context> tls_context::for_server(const std::string& certificate, const std::string& key) {
  ERR_clear_error();
  auto made = std::make_unique<state>();
  made->is_server = true;
  made->context = make_context(TLS_server_method());
  SSL_CTX* const c = made->context.get();
  SSL_CTX_set_cipher_list(c, ciphers);
  SSL_CTX_set_alpn_select_cb(c, choose_protocol, nullptr);
  // Clients come back with tickets, which the server need not remember.
  SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
  use_certificate(c, certificate, key);
  made->expires_at = expiry_of(SSL_CTX_get0_certificate(c));
  STACK_OF(X509)* chain = nullptr;
  SSL_CTX_get0_chain_certs(c, static_cast<void*>(&chain));
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    made->expires_at = std::min(made->expires_at, expiry_of(sk_X509_value(chain, i)));
  }
  return std::shared_ptr<const tls_context>{new tls_context{std::move(made)}};
}

std::shared_ptr<const tls_context> tls_context::for_client(const tls_peer& server) {
  ERR_clear_error();
  auto made = std::make_unique<state>();
  made->context = make_context(TLS_client_method());
  SSL_CTX* const c = made->context.get();
  SSL_CTX_set_cipher_list(c, ciphers);
  SSL_CTX_set_verify(c, SSL_VERIFY_PEER, nullptr);
  if (server.authorities.empty()) {
    SSL_CTX_set_default_verify_paths(c);
  } else if (SSL_CTX_load_verify_file(c, server.authorities.c_str()) != 1) {
    fail("cannot be read as PEM certificates", server.authorities);
  }
  X509_VERIFY_PARAM* const demands = SSL_CTX_get0_param(c);
  // What is no IP address is a name.
  if (X509_VERIFY_PARAM_set1_ip_asc(demands, server.name.c_str()) != 1) {
    ERR_clear_error();
    X509_VERIFY_PARAM_set_hostflags(demands, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (X509_VERIFY_PARAM_set1_host(demands, server.name.data(), server.name.size()) != 1) {
      throw std::runtime_error{"OpenSSL: " + reason()};
    }
    made->asked_name = server.name;
  }
  if (!server.certificate.empty()) {
    use_certificate(c, server.certificate, server.key);
  }
  return std::shared_ptr<const tls_context>{new tls_context{std::move(made)}};
}

std::shared_ptr<const tls_context> tls_context::for_unverified_client() {
  auto made = std::make_unique<state>();
  made->context = make_context(TLS_client_method());
  SSL_CTX_set_verify(made->context.get(), SSL_VERIFY_NONE, nullptr);
  return std::shared_ptr<const tls_context>{new tls_context{std::move(made)}};
}

struct tls_channel::engine {
  engine(SSL* s, int fd) : line{.socket = fd}, ssl{s, &SSL_free} {}
  wire line;  ///< the BIO of ssl refers to it
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl;
};

tls_channel::tls_channel(std::shared_ptr<const tls_context> context, int socket)
    : context_{std::move(context)},
      engine_{std::make_unique<engine>(SSL_new(context_->state_->context.get()), socket)} {
  SSL* const ssl = engine_->ssl.get();
  BIO* const bio = ssl == nullptr ? nullptr : BIO_new(socket_method());
  if (bio == nullptr) {
    throw std::bad_alloc{};
  }
  BIO_set_data(bio, &engine_->line);
  SSL_set_msg_callback(ssl, count_record);
  SSL_set_msg_callback_arg(ssl, &engine_->line);
  SSL_set_bio(ssl, bio, bio);
  if (context_->state_->is_server) {
    SSL_set_accept_state(ssl);
  } else {
    SSL_set_connect_state(ssl);
    if (std::string name = context_->state_->asked_name; !name.empty()) {
      SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data());
    }
  }
}

tls_channel::~tls_channel() = default;

/// What a call that returned `returned` means. The error queue of the thread was empty before it.
io_status tls_channel::judge(int returned) {
  switch (SSL_get_error(engine_->ssl.get(), returned)) {
    case SSL_ERROR_NONE:
      waits_for_room_ = false;
      return io_status::moved;
    case SSL_ERROR_WANT_READ:
      waits_for_room_ = false;
      return io_status::waits;
    case SSL_ERROR_WANT_WRITE:
      waits_for_room_ = true;
      return io_status::waits;
    case SSL_ERROR_ZERO_RETURN:
      return io_status::ended;
    default:
      failure_ = engine_->line.records > idle_records ? "too many records without data"
                 : ERR_peek_last_error() == 0         ? "the connection broke"
                                                      : reason();
      return io_status::failed;
  }
}

tls_channel::handshake tls_channel::shake_hands() {
  ERR_clear_error();
  const int returned = SSL_do_handshake(engine_->ssl.get());
  const unsigned long failed = returned == 1 ? 0 : ERR_peek_last_error();
  if (ERR_GET_LIB(failed) == ERR_LIB_SSL && ERR_GET_REASON(failed) == SSL_R_HTTP_REQUEST) {
    failure_ = reason();
    return handshake::plain;
  }
  switch (judge(returned)) {
    case io_status::moved:
      shaken_ = true;
      return handshake::done;
    case io_status::waits:
      return handshake::waits;
    case io_status::ended:
      failure_ = "the peer closed the connection";
      break;
    case io_status::failed:
      if (const long verdict = SSL_get_verify_result(engine_->ssl.get()); verdict != X509_V_OK) {
        failure_ = fmt::format("the certificate is refused: {}", X509_verify_cert_error_string(verdict));
      }
      break;
  }
  return handshake::failed;
}

io_result tls_channel::read(std::span<char> room) {
  ERR_clear_error();
  std::size_t size = 0;
  const int returned = SSL_read_ex(engine_->ssl.get(), room.data(), room.size(), &size);
  if (returned == 1) {
    engine_->line.records = 0;
  }
  return {judge(returned), size};
}

io_result tls_channel::write(std::string_view bytes) {
  ERR_clear_error();
  std::size_t size = 0;
  const int returned = SSL_write_ex(engine_->ssl.get(), bytes.data(), bytes.size(), &size);
  return {judge(returned), size};
}

bool tls_channel::has_input() {
  ERR_clear_error();
  char byte = 0;
  std::size_t size = 0;
  return SSL_peek_ex(engine_->ssl.get(), &byte, 1, &size) == 1;
}

void tls_channel::finish() {
  if (shaken_ && failure_.empty()) {
    ERR_clear_error();
    SSL_shutdown(engine_->ssl.get());
    ERR_clear_error();
  }
}

}  // namespace coffer::net
