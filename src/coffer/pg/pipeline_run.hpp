// One pipeline's way through libpq: puts statements in, takes results out, waits for nothing. Only for the sources of
// this folder.
#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "coffer/base/assert.hpp"
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
  void forget(const pipeline::entry& entry) { known_.erase(std::string_view{entry.what->name}); }

  [[nodiscard]] std::size_t size() const noexcept { return known_.size(); }

 private:
  struct prepared {
    const char* sql;
    std::vector<oid> types;
  };

  std::unordered_map<std::string_view, prepared> known_;
};

/// How the run of a pipeline stands.
enum class progress : std::uint8_t {
  waiting,   ///< more must arrive
  complete,  ///< everything up to the Sync has been taken
  lost,      ///< the connection is of no further use
};

/// The first error of a run: later ones are its echo.
struct pipeline_failure {
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
class pipeline_run {
 public:
  /// `cache` is null when nothing is to be prepared.
  pipeline_run(PGconn* pg, statement_cache* cache, const pipeline& statements, session_setup setup = {});

  /// Hands everything to libpq, which writes what the socket takes. False when the connection broke.
  bool send();

  /// Takes all results that have arrived. Call again after more input unless it is complete or lost.
  progress take();

  /// One result per statement, once complete without a failure.
  [[nodiscard]] std::vector<rows>& results() noexcept { return results_; }
  [[nodiscard]] const std::optional<pipeline_failure>& failure() const noexcept { return failure_; }
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
  progress take_one(owned_result result);
  void fail(const PGresult* result);
  void forget_unprepared();

  PGconn* pg_;
  statement_cache* cache_;
  const pipeline& statements_;
  session_setup setup_;
  std::vector<step> steps_;
  std::vector<rows> results_;
  std::optional<pipeline_failure> failure_;
  std::size_t at_ = 0;  ///< the step whose results are due
  bool answered_ = false;
  bool after_sync_ = false;
  bool setup_failed_ = false;
  bool out_of_step_ = false;
};

namespace detail {

/// The parameters as libpq wants them. Points into `from`.
struct parameter_arrays {
  explicit parameter_arrays(const params& from) {
    const std::size_t count = from.size();
    values.reserve(count);
    lengths.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      const auto value = from.value(i);
      values.push_back(value ? value->data() : nullptr);
      lengths.push_back(value ? static_cast<int>(value->size()) : 0);
    }
    formats.assign(count, 1);
  }

  std::vector<const char*> values;
  std::vector<int> lengths;
  std::vector<int> formats;
};

inline std::vector<Oid> types_of(const params& from) {
  std::vector<Oid> types;
  types.reserve(from.size());
  for (std::size_t i = 0; i < from.size(); ++i) {
    types.push_back(static_cast<Oid>(from.type(i)));
  }
  return types;
}

}  // namespace detail

inline bool statement_cache::must_prepare(const pipeline::entry& entry) {
  const auto [found, is_new] = known_.try_emplace(std::string_view{entry.what->name});
  prepared& p = found->second;
  if (is_new) {
    p.sql = entry.what->sql;
    for (std::size_t i = 0; i < entry.with.size(); ++i) {
      p.types.push_back(entry.with.type(i));
    }
    return true;
  }
  COFFER_ASSERT(p.sql == entry.what->sql || std::strcmp(p.sql, entry.what->sql) == 0);
  COFFER_ASSERT(p.types.size() == entry.with.size());
  for (std::size_t i = 0; i < p.types.size(); ++i) {
    COFFER_ASSERT(p.types[i] == entry.with.type(i));
  }
  return false;
}

inline pipeline_run::pipeline_run(PGconn* pg, statement_cache* cache, const pipeline& statements, session_setup setup)
    : pg_{pg}, cache_{cache}, statements_{statements}, setup_{setup} {
  steps_.reserve(statements.size() + 2);
  results_.reserve(statements.size());
}

inline bool pipeline_run::send_prepare(const pipeline::entry& entry) {
  const std::vector<Oid> types = detail::types_of(entry.with);
  return PQsendPrepare(pg_, entry.what->name, entry.what->sql, static_cast<int>(types.size()), types.data()) == 1;
}

inline bool pipeline_run::send_query(const pipeline::entry& entry, bool prepared) {
  const detail::parameter_arrays with{entry.with};
  const int count = static_cast<int>(with.values.size());
  constexpr int binary = 1;
  if (prepared) {
    return PQsendQueryPrepared(pg_, entry.what->name, count, with.values.data(), with.lengths.data(),
                               with.formats.data(), binary) == 1;
  }
  const std::vector<Oid> types = detail::types_of(entry.with);
  return PQsendQueryParams(pg_, entry.what->sql, count, types.data(), with.values.data(), with.lengths.data(),
                           with.formats.data(), binary) == 1;
}

inline bool pipeline_run::send_setup(std::size_t before) {
  steps_.push_back(step{before, step_kind::setup});
  return send_query(*setup_.what, false);
}

inline bool pipeline_run::send() {
  using place = session_setup::place;
  if (setup_.where == place::before || setup_.where == place::inside) {
    if (!send_setup(0)) {
      return false;
    }
    if (setup_.where == place::before) {
      // A transaction of its own: what the statements behind it do, a rollback for instance, does not take it back.
      steps_.push_back(step{0, step_kind::sync});
      if (PQpipelineSync(pg_) != 1) {
        return false;
      }
    }
  }
  for (std::size_t i = 0; i < statements_.size(); ++i) {
    const pipeline::entry& entry = statements_.entries()[i];
    if (cache_ != nullptr && cache_->must_prepare(entry)) {
      steps_.push_back(step{i, step_kind::prepare});
      if (!send_prepare(entry)) {
        return false;
      }
    }
    steps_.push_back(step{i, step_kind::query});
    if (!send_query(entry, cache_ != nullptr)) {
      return false;
    }
    if (i == 0 && setup_.where == place::after_begin && !send_setup(1)) {
      return false;
    }
  }
  // Puts the Sync behind and writes as much as the socket takes.
  return PQpipelineSync(pg_) == 1;
}

inline std::size_t pipeline_run::unanswered() const noexcept {
  return at_ < steps_.size() ? steps_[at_].statement : statements_.size();
}

inline void pipeline_run::fail(const PGresult* result) {
  if (!failure_) {
    failure_ = pipeline_failure{message_of(result), unanswered()};
  }
}

inline void pipeline_run::forget_unprepared() {
  // Behind the first failure the server has prepared nothing. Preparing again what it has prepared would be an error,
  // so only the steps from the failed one on are forgotten.
  for (std::size_t i = at_; i < steps_.size() && cache_ != nullptr; ++i) {
    if (steps_[i].kind == step_kind::prepare) {
      cache_->forget(statements_.entries()[steps_[i].statement]);
    }
  }
}

inline progress pipeline_run::take() {
  while (PQisBusy(pg_) == 0) {
    owned_result result{PQgetResult(pg_)};
    if (!result) {
      if (PQstatus(pg_) == CONNECTION_BAD) {
        return progress::lost;
      }
      // Every step ends with a null; one without a result before it means that we and libpq disagree. Whether one
      // follows a Sync depends on libpq's release.
      if (!answered_ && after_sync_) {
        after_sync_ = false;
        continue;
      }
      if (!answered_ || at_ == steps_.size()) {
        out_of_step_ = true;
        return progress::lost;
      }
      answered_ = false;
      ++at_;
      continue;
    }
    const progress now_at = take_one(std::move(result));
    if (now_at != progress::waiting) {
      return now_at;
    }
  }
  return progress::waiting;
}

inline progress pipeline_run::take_one(owned_result result) {
  const PGresult* raw = result.get();
  const bool due = at_ < steps_.size();
  if (due && steps_[at_].kind == step_kind::sync && PQresultStatus(raw) == PGRES_PIPELINE_SYNC) {
    after_sync_ = true;
    ++at_;
    return progress::waiting;
  }
  after_sync_ = false;
  answered_ = true;
  switch (PQresultStatus(raw)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_EMPTY_QUERY:
      if (!due) {
        break;
      }
      if (steps_[at_].kind == step_kind::query) {
        results_.emplace_back(std::move(result));
      }
      return progress::waiting;
    case PGRES_FATAL_ERROR:
      if (!failure_ && due) {
        setup_failed_ = steps_[at_].kind == step_kind::setup;
        forget_unprepared();
      }
      fail(raw);
      return failure_->said.fatal || PQstatus(pg_) == CONNECTION_BAD ? progress::lost : progress::waiting;
    case PGRES_PIPELINE_ABORTED:
      return progress::waiting;
    case PGRES_PIPELINE_SYNC:
      if (due) {
        break;
      }
      return progress::complete;
    case PGRES_COPY_OUT:
    case PGRES_COPY_IN:
    case PGRES_COPY_BOTH:
    case PGRES_BAD_RESPONSE:
    case PGRES_NONFATAL_ERROR:
    case PGRES_SINGLE_TUPLE:
#ifdef LIBPQ_HAS_CHUNK_MODE
    case PGRES_TUPLES_CHUNK:
#endif
      break;
  }
  out_of_step_ = true;
  return progress::lost;
}

}  // namespace coffer::pg
