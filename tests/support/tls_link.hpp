// TLS for the tests' client, and certificates to serve with. Without coffer's own code.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "support/byte_link.hpp"
#include "support/temporary_folder.hpp"

namespace coffer::test {

/// A self-signed certificate of a new key (P-256), and that key, in PEM files.
struct certificate_files {
  std::string certificate;
  std::string key;
};

/// Writes `name`.crt and `name`.key. The certificate's subject is `name`, and it began a day ago.
certificate_files make_certificate(const temporary_folder& folder, const std::string& name,
                                   std::chrono::seconds valid_for = std::chrono::hours{24 * 90});

/// What a handshake came to.
struct tls_facts {
  std::string subject;
  std::string version;   ///< "TLSv1.3"
  std::string protocol;  ///< of ALPN; empty: none
};

/// How a client shakes hands.
struct tls_wishes {
  std::string trusted{};              ///< PEM file that the certificate must lead to; empty: any
  int newest = 0;                     ///< SSL_CTX_set_max_proto_version; 0: the newest there is
  std::string protocols{};            ///< of ALPN, in its wire form
  int key_updates = 0;                ///< changes of its keys (RFC 8446 section 4.6.3) before each piece it sends
  std::shared_ptr<tls_facts> into{};  ///< what each handshake came to; null: nobody asks
};

/// Links that shake hands within ten seconds, or throw std::runtime_error with OpenSSL's reason. They end without a
/// farewell when the client closes.
link_maker over_tls(tls_wishes how = {});

}  // namespace coffer::test
