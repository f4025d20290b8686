// Exceptions on their way into a log line.
#pragma once

#include <exception>
#include <string>

namespace coffer {

/// What an exception says; "unknown exception" when it is no std::exception. `failure` is not empty.
inline std::string describe(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "unknown exception";
  }
}

}  // namespace coffer
