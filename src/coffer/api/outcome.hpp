// What became of a command as a part of a larger answer.
#pragma once

#include <string_view>

#include "coffer/api/audience.hpp"
#include "coffer/api/problem.hpp"
#include "coffer/api/render.hpp"
#include "coffer/domain/command.hpp"
#include "coffer/json/writer.hpp"

namespace coffer::api {

namespace detail {

inline void render_problem(json::writer& out, const error& why, std::string_view request_id) {
  out.key("status");
  out.value(kind_of(why.code).status);
  out.key("problem");
  out.raw(problem_body(why, request_id));
}

}  // namespace detail

/// Appends the members "status" (that of the single request's answer) and "receipt", or "problem" and, when the refusal
/// was recorded, "transaction". `request_id` is the one that a refusal without a journal row shows.
inline void render_outcome(json::writer& out, const domain::verdict& v, std::string_view request_id, audience to) {
  if (!v) {
    detail::render_problem(out, v.error(), request_id);
    return;
  }
  const domain::transaction& row = v->row;
  if (row.status == domain::transaction_status::failed) {
    detail::render_problem(out, domain::refusal_of(row), row.request_id);
    out.key("transaction");
    out.raw(rendered(shown_transaction{row, to}));
    return;
  }
  out.key("status");
  out.value(201);
  out.key("receipt");
  out.raw(render_receipt({row, to}));
}

}  // namespace coffer::api
