// The single looks of `coffer doctor`. Each tells what it found; none throws for what is wrong with the patient.
#pragma once

#include <vector>

#include "coffer/app/doctor.hpp"
#include "coffer/net/task.hpp"

namespace coffer::app {

/// Database, its durability, the connections it has to offer, its clock beside ours, the role's privileges, the schema,
/// and with --auth required whether anybody has a key. Without a connection there is the first of them only.
net::task<std::vector<finding>> look_at_database(const settings& s);

/// The file with the keys of players' tokens. Nothing when there is none.
std::vector<finding> look_at_tokens(const settings& s);

/// The certificate and when it expires, or whether what clients send can be read on the way.
finding look_at_certificate(const settings& s);

/// Whether Redis answers, and takes writes. Nothing when there is no cache to look at.
net::task<std::vector<finding>> look_at_cache(const settings& s);

/// Whether the process may have as many descriptors as the settings can need.
finding look_at_descriptors(const settings& s);

/// Whether the API's address and that of /metrics can be listened on, both at once.
std::vector<finding> look_at_addresses(const settings& s);

/// Whom a server without credentials would let in. Nothing when it asks for credentials.
std::vector<finding> look_at_access(const settings& s);

}  // namespace coffer::app
