#include "coffer/api/outcome.hpp"

#include "coffer/api/problem.hpp"
#include "coffer/api/render.hpp"

namespace coffer::api {

namespace {

void render_problem(json::writer& out, const error& why, std::string_view request_id) {
  out.key("status");
  out.value(kind_of(why.code).status);
  out.key("problem");
  out.raw(problem_body(why, request_id));
}

}  // namespace

void render_outcome(json::writer& out, const domain::verdict& v, std::string_view request_id) {
  if (!v) {
    render_problem(out, v.error(), request_id);
    return;
  }
  const domain::transaction& row = v->row;
  if (row.status == domain::transaction_status::failed) {
    render_problem(out, domain::refusal_of(row), row.request_id);
    out.key("transaction");
    out.raw(render_body(row));
    return;
  }
  out.key("status");
  out.value(201);
  out.key("receipt");
  out.raw(render_receipt(row));
}

}  // namespace coffer::api
