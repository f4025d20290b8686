// Identifiers of requests that did not bring their own.
#pragma once

#include <string>

namespace coffer::http {

/// Appends 22 characters of A-Z a-z 0-9 _ - that no other call, on any thread or in any process, gives: 64 random bits
/// drawn per thread and a scrambled counter. Not a secret: one id tells the next to whoever tries.
void append_request_id(std::string& out);

}  // namespace coffer::http
