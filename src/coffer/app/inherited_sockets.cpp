#include "coffer/app/inherited_sockets.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <stdexcept>

#include <fmt/format.h>

#include "coffer/app/settings_values.hpp"

namespace coffer::app {

namespace {

/// The first descriptor that is handed over (SD_LISTEN_FDS_START).
constexpr int first_socket = 3;

}  // namespace

inherited_sockets take_inherited_sockets(const variables& env) {
  inherited_sockets all;
  const auto whose = parse_integer(env("LISTEN_PID").value_or(""));
  const auto count = parse_integer(env("LISTEN_FDS").value_or(""));
  if (!whose || *whose != ::getpid() || !count || *count < 1) {
    return all;
  }
  if (*count > 2) {
    throw std::runtime_error{fmt::format(
        "{} sockets were handed over (LISTEN_FDS): coffer serves one for the API and one for metrics", *count)};
  }
  std::string names = env("LISTEN_FDNAMES").value_or("");
  for (int fd = first_socket; fd < first_socket + *count; ++fd) {
    const std::string name = names.substr(0, names.find(':'));
    names.erase(0, name.size() + 1);
    net::owned_fd& place = name == "admin" ? all.admin : all.api;
    if (place.get() >= 0) {
      throw std::runtime_error{
          fmt::format("two sockets were handed over for the {}: give the one for metrics FileDescriptorName=admin in "
                      "its .socket unit",
                      name == "admin" ? "metrics" : "API")};
    }
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    place.reset(fd);
  }
  return all;
}

}  // namespace coffer::app
