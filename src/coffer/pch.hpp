// Precompiled header of the static library: the slow headers that nearly every coroutine file needs.
#ifndef COFFER_PCH_HPP
#define COFFER_PCH_HPP
#include <array>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "coffer/net/asio.hpp"

#endif
