// How far a server reads what it has not been ready for, told apart from what the kernel buffers for it.
#pragma once

#include <cstddef>
#include <string_view>

#include "support/http_client.hpp"

namespace coffer::test {

/// Sends `text` over and over until nothing has fitted for a while, or `most` bytes have been sent; gives their number.
std::size_t send_until_full(const http_client& client, std::string_view text, std::size_t most);

/// Of `sent` bytes, everything that the client has sent on its connection, those that the server's program has read.
/// The others are in the kernel, on one side or the other. Waits until that does not change; throws
/// std::runtime_error when it does not stop.
std::size_t read_by_peer(const http_client& client, std::size_t sent);

}  // namespace coffer::test
