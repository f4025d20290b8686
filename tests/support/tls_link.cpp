#include "support/tls_link.hpp"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>

#include <cerrno>
#include <csignal>
#include <stdexcept>

namespace coffer::test {

namespace {

std::string reason() {
  const char* const text = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return text == nullptr ? "the connection broke" : text;
}

class tls_link final : public byte_link {
 public:
  tls_link(SSL_CTX* context, int socket, int key_updates)
      : ssl_{SSL_new(context), &SSL_free}, key_updates_{key_updates} {
    SSL_set_fd(ssl_.get(), socket);
    SSL_set_connect_state(ssl_.get());
    if (!shake_hands()) {
      throw std::runtime_error{"handshake: " + reason()};
    }
  }

  [[nodiscard]] tls_facts facts() const {
    tls_facts facts;
    facts.version = SSL_get_version(ssl_.get());
    const unsigned char* name = nullptr;
    unsigned int size = 0;
    SSL_get0_alpn_selected(ssl_.get(), &name, &size);
    facts.protocol.assign(reinterpret_cast<const char*>(name), size);
    if (const X509* const theirs = SSL_get0_peer_certificate(ssl_.get())) {
      char text[256] = {};
      X509_NAME_get_text_by_NID(X509_get_subject_name(theirs), NID_commonName, text, sizeof text);
      facts.subject = text;
    }
    return facts;
  }

  ssize_t send(std::string_view bytes) override {
    for (int i = 0; i < key_updates_; ++i) {
      if (SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_NOT_REQUESTED) != 1 || !shake_hands()) {
        errno = ECONNRESET;
        return -1;
      }
    }
    ERR_clear_error();
    std::size_t size = 0;
    const int done = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &size);
    return judge(done, size);
  }

  ssize_t receive(char* room, std::size_t most) override {
    ERR_clear_error();
    std::size_t size = 0;
    const int done = SSL_read_ex(ssl_.get(), room, most, &size);
    return judge(done, size);
  }

 private:
  /// Sends and receives what is due of a handshake. False when ten seconds bring nothing.
  bool shake_hands() {
    for (;;) {
      ERR_clear_error();
      const int done = SSL_do_handshake(ssl_.get());
      if (done == 1) {
        return true;
      }
      const int why = SSL_get_error(ssl_.get(), done);
      pollfd wait{SSL_get_fd(ssl_.get()), static_cast<short>(why == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN), 0};
      const bool waits = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
      if (!waits || ::poll(&wait, 1, 10'000) != 1) {
        return false;
      }
    }
  }

  ssize_t judge(int done, std::size_t size) {
    switch (SSL_get_error(ssl_.get(), done)) {
      case SSL_ERROR_NONE:
        return static_cast<ssize_t>(size);
      case SSL_ERROR_ZERO_RETURN:
        return 0;
      case SSL_ERROR_WANT_READ:
      case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;
      default:
        errno = ECONNRESET;
        return -1;
    }
  }

  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_;
  int key_updates_;
};

void write_pem(const std::string& path, const std::function<int(BIO*)>& write) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> file{BIO_new_file(path.c_str(), "w"), &BIO_free};
  if (!file || write(file.get()) != 1) {
    throw std::runtime_error{"cannot write " + path};
  }
}

}  // namespace

certificate_files make_certificate(const temporary_folder& folder, const std::string& name,
                                   std::chrono::seconds valid_for) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key{EVP_EC_gen("P-256"), &EVP_PKEY_free};
  const std::unique_ptr<X509, decltype(&X509_free)> made{X509_new(), &X509_free};
  X509_set_version(made.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -86'400);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), valid_for.count());
  X509_set_pubkey(made.get(), key.get());
  X509_NAME* const subject = X509_get_subject_name(made.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1,
                             0);
  X509_set_issuer_name(made.get(), subject);
  if (X509_sign(made.get(), key.get(), EVP_sha256()) == 0) {
    throw std::runtime_error{"cannot sign a certificate"};
  }
  certificate_files files{(folder.path() / (name + ".crt")).string(), (folder.path() / (name + ".key")).string()};
  write_pem(files.certificate, [&](BIO* to) { return PEM_write_bio_X509(to, made.get()); });
  write_pem(files.key,
            [&](BIO* to) { return PEM_write_bio_PrivateKey(to, key.get(), nullptr, nullptr, 0, nullptr, nullptr); });
  return files;
}

link_maker over_tls(tls_wishes how) {
  // OpenSSL's sockets raise it when the server has gone.
  static const auto ignored = std::signal(SIGPIPE, SIG_IGN);
  static_cast<void>(ignored);
  const std::shared_ptr<SSL_CTX> context{SSL_CTX_new(TLS_client_method()), &SSL_CTX_free};
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_max_proto_version(context.get(), how.newest);
  // Old versions too, to be refused by the server and not by this side.
  SSL_CTX_set_min_proto_version(context.get(), TLS1_VERSION);
  SSL_CTX_set_security_level(context.get(), 0);
  if (!how.trusted.empty()) {
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    if (SSL_CTX_load_verify_locations(context.get(), how.trusted.c_str(), nullptr) != 1) {
      throw std::runtime_error{"cannot read " + how.trusted};
    }
  }
  SSL_CTX_set_alpn_protos(context.get(), reinterpret_cast<const unsigned char*>(how.protocols.data()),
                          static_cast<unsigned int>(how.protocols.size()));
  return [context, into = how.into, key_updates = how.key_updates](int socket) {
    auto link = std::make_unique<tls_link>(context.get(), socket, key_updates);
    if (into) {
      *into = link->facts();
    }
    return link;
  };
}

}  // namespace coffer::test
