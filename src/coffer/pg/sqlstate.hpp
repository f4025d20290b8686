// PostgreSQL's five-character error codes as one comparable, switchable value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace coffer::pg {

namespace detail {

/// Five characters of 0-9 and A-Z as a base-36 number, so that every SQLSTATE fits an enum; 0 when malformed.
constexpr std::uint32_t pack_sqlstate(std::string_view text) noexcept {
  if (text.size() != 5) {
    return 0;
  }
  std::uint32_t packed = 0;
  for (const char c : text) {
    if (c >= '0' && c <= '9') {
      packed = packed * 36 + static_cast<std::uint32_t>(c - '0');
    } else if (c >= 'A' && c <= 'Z') {
      packed = packed * 36 + static_cast<std::uint32_t>(c - 'A') + 10;
    } else {
      return 0;
    }
  }
  return packed;
}

}  // namespace detail

/// An SQLSTATE. Every code is a valid value; the ones that code acts on have names (PostgreSQL's appendix A).
enum class sqlstate : std::uint32_t {
  none = 0,  ///< nobody said one (and "00000", which is no error)
  connection_failure = detail::pack_sqlstate("08006"),
  cannot_establish_connection = detail::pack_sqlstate("08001"),
  connection_rejected = detail::pack_sqlstate("08004"),
  protocol_violation = detail::pack_sqlstate("08P01"),
  feature_not_supported = detail::pack_sqlstate("0A000"),
  numeric_value_out_of_range = detail::pack_sqlstate("22003"),
  not_null_violation = detail::pack_sqlstate("23502"),
  foreign_key_violation = detail::pack_sqlstate("23503"),
  unique_violation = detail::pack_sqlstate("23505"),
  check_violation = detail::pack_sqlstate("23514"),
  read_only_transaction = detail::pack_sqlstate("25006"),
  in_failed_transaction = detail::pack_sqlstate("25P02"),
  idle_in_transaction_timeout = detail::pack_sqlstate("25P03"),
  invalid_statement_name = detail::pack_sqlstate("26000"),
  invalid_authorization = detail::pack_sqlstate("28000"),
  invalid_password = detail::pack_sqlstate("28P01"),
  invalid_catalog_name = detail::pack_sqlstate("3D000"),
  serialization_failure = detail::pack_sqlstate("40001"),
  statement_completion_unknown = detail::pack_sqlstate("40003"),
  deadlock_detected = detail::pack_sqlstate("40P01"),
  insufficient_privilege = detail::pack_sqlstate("42501"),
  syntax_error = detail::pack_sqlstate("42601"),
  undefined_column = detail::pack_sqlstate("42703"),
  undefined_function = detail::pack_sqlstate("42883"),
  duplicate_prepared_statement = detail::pack_sqlstate("42P05"),
  undefined_table = detail::pack_sqlstate("42P01"),
  duplicate_table = detail::pack_sqlstate("42P07"),
  disk_full = detail::pack_sqlstate("53100"),
  out_of_memory = detail::pack_sqlstate("53200"),
  too_many_connections = detail::pack_sqlstate("53300"),
  lock_not_available = detail::pack_sqlstate("55P03"),
  query_canceled = detail::pack_sqlstate("57014"),
  admin_shutdown = detail::pack_sqlstate("57P01"),
  crash_shutdown = detail::pack_sqlstate("57P02"),
  cannot_connect_now = detail::pack_sqlstate("57P03"),
  database_dropped = detail::pack_sqlstate("57P04"),
  idle_session_timeout = detail::pack_sqlstate("57P05"),
};

/// The code spelled `text` (five of 0-9 and A-Z); `none` for anything else.
constexpr sqlstate sqlstate_from(std::string_view text) noexcept {
  return static_cast<sqlstate>(detail::pack_sqlstate(text));
}

/// The five characters, e.g. "23505"; "00000" for none.
std::string to_string(sqlstate state);

/// The class of a code: its first two characters as a number comparable with class_of(another code).
constexpr std::uint32_t class_of(sqlstate state) noexcept {
  return static_cast<std::uint32_t>(state) / (36U * 36U * 36U);
}

/// Whether the transaction failed only because of who else was running: running it again may succeed at once.
constexpr bool is_conflict(sqlstate state) noexcept {
  return state == sqlstate::serialization_failure || state == sqlstate::deadlock_detected;
}

/// Whether the server as a whole is unable to work at the moment (starting, stopping, out of resources), so that the
/// same request may succeed later. Conflicts and timeouts of one statement are not among them.
constexpr bool is_server_unavailable(sqlstate state) noexcept {
  return class_of(state) == class_of(sqlstate::connection_failure) ||
         class_of(state) == class_of(sqlstate::too_many_connections) || state == sqlstate::admin_shutdown ||
         state == sqlstate::crash_shutdown || state == sqlstate::cannot_connect_now ||
         state == sqlstate::idle_session_timeout || state == sqlstate::idle_in_transaction_timeout ||
         state == sqlstate::read_only_transaction;
}

/// Whether a statement met a schema that is not the one it was written for: a table, column or function is missing.
constexpr bool is_schema_misfit(sqlstate state) noexcept {
  return state == sqlstate::undefined_table || state == sqlstate::undefined_column ||
         state == sqlstate::undefined_function;
}

/// Whether a timeout of the server ended the statement (statement_timeout, lock_timeout, or a cancel request).
constexpr bool is_timeout(sqlstate state) noexcept {
  return state == sqlstate::query_canceled || state == sqlstate::lock_not_available;
}

}  // namespace coffer::pg
