// One pipeline's way through libpq: puts statements in, takes results out, waits for nothing. Only for the sources of
// this folder.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "coffer/pg/handle.hpp"
#include "coffer/pg/pipeline.hpp"
#include "coffer/pg/rows.hpp"

namespace coffer::pg {

/// What the server has prepared on one connection, by statement name.
class statement_cache {
 public:
  /// Whether `entry`'s statement must be prepared first; from then on it counts as prepared. Asserts that a name always
  /// stands for the same SQL and the same parameter types.
  bool must_prepare(const pipeline::entry& entry);

  /// The server did not prepare it after all.
  void forget(const pipeline::entry& entry);

  [[nodiscard]] std::size_t size() const noexcept { return known_.size(); }

 private:
  struct prepared {
    const char* sql;
    std::vector<oid> types;
  };

  std::unordered_map<std::string_view, prepared> known_;
};

/// How an exchange stands.
enum class progress : std::uint8_t {
  waiting,   ///< more must arrive
  complete,  ///< everything up to the Sync has been taken
  lost,      ///< the connection is of no further use
};

/// The first error of an exchange: later ones are its echo.
struct exchange_failure {
  server_message said;
  std::size_t statement = 0;
};

/// A statement about the session that travels with a pipeline.
struct session_setup {
  enum class place : std::uint8_t {
    nowhere,      ///< there is none
    before,       ///< in front, as a transaction of its own
    inside,       ///< in front, in the pipeline's implicit transaction
    after_begin,  ///< behind the pipeline's first statement
  };

  place where = place::nowhere;
  const pipeline::entry* what = nullptr;
};

/// Sends one pipeline and collects its results. `pg` is in pipeline mode and idle.
class exchange {
 public:
  /// `cache` is null when nothing is to be prepared.
  exchange(PGconn* pg, statement_cache* cache, const pipeline& statements, session_setup setup = {});

  /// Hands everything to libpq, which writes what the socket takes. False when the connection broke.
  bool send();

  /// Takes all results that have arrived. Call again after more input unless it is complete or lost.
  progress take();

  /// One result per statement, once complete without a failure.
  [[nodiscard]] std::vector<rows>& results() noexcept { return results_; }
  [[nodiscard]] const std::optional<exchange_failure>& failure() const noexcept { return failure_; }
  /// The first statement without an answer.
  [[nodiscard]] std::size_t unanswered() const noexcept;
  /// Whether the failure is that of the setup.
  [[nodiscard]] bool setup_failed() const noexcept { return setup_failed_; }
  /// An answer came that no statement asked for, or a COPY.
  [[nodiscard]] bool out_of_step() const noexcept { return out_of_step_; }

 private:
  enum class step_kind : std::uint8_t { prepare, query, setup, sync };
  struct step {
    std::size_t statement;
    step_kind kind;
  };

  bool send_prepare(const pipeline::entry& entry);
  bool send_query(const pipeline::entry& entry, bool prepared);
  bool send_setup(std::size_t before);
  progress take_one(PGresult* result);
  void fail(const PGresult* result);
  void forget_unprepared();

  PGconn* pg_;
  statement_cache* cache_;
  const pipeline& statements_;
  session_setup setup_;
  std::vector<step> steps_;
  std::vector<rows> results_;
  std::optional<exchange_failure> failure_;
  std::size_t at_ = 0;  ///< the step whose results are due
  bool answered_ = false;
  bool after_sync_ = false;
  bool setup_failed_ = false;
  bool out_of_step_ = false;
};

}  // namespace coffer::pg
