// Statements that travel to the server together and are answered together.
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "coffer/pg/params.hpp"
#include "coffer/pg/statement.hpp"

namespace coffer::pg {

/// An ordered list of statements, sent in one go with one Sync at its end: one round trip and, without BEGIN, one
/// implicit transaction. After a failed statement the server skips the rest, a COMMIT included.
class pipeline {
 public:
  struct entry {
    const statement* what;
    params with;
  };

  pipeline() = default;

  /// Appends `what`, which must have static storage, with its parameters.
  pipeline& add(const statement& what, params with) {
    entries_.push_back(entry{&what, std::move(with)});
    return *this;
  }
  /// Appends a statement without parameters.
  pipeline& add(const statement& what) { return add(what, params{}); }

  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] std::span<const entry> entries() const noexcept { return entries_; }

 private:
  std::vector<entry> entries_;
};

}  // namespace coffer::pg
