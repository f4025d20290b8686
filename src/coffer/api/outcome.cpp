#include "coffer/api/outcome.hpp"

#include "coffer/api/problem.hpp"
#include "coffer/api/render.hpp"
#include "coffer/api/samples.hpp"

namespace coffer::api {

namespace {

void render_problem(json::writer& out, const error& why, std::string_view request_id) {
  out.key("status");
  out.value(kind_of(why.code).status);
  out.key("problem");
  out.raw(problem_body(why, request_id));
}

}  // namespace

void render_outcome(json::writer& out, const domain::verdict& v, std::string_view request_id, audience to) {
  if (!v) {
    render_problem(out, v.error(), request_id);
    return;
  }
  const domain::transaction& row = v->row;
  if (row.status == domain::transaction_status::failed) {
    render_problem(out, domain::refusal_of(row), row.request_id);
    out.key("transaction");
    out.raw(render_body({row, to}));
    return;
  }
  out.key("status");
  out.value(201);
  out.key("receipt");
  out.raw(render_receipt({row, to}));
}

void add_outcome_shape(shapes& all) {
  std::string example = R"({"status":201,"receipt":)";
  example += render_receipt({samples::purchase(), audience::operators});
  example += '}';
  all.add(
      "Outcome",
      R"({"type":"object","description":"Either a receipt, or a problem and the row that recorded it.","properties":{)"
      R"("status":{"type":"integer","minimum":200,"maximum":599,"description":"Of the request's own answer."},)"
      R"("receipt":{"$ref":"#/components/schemas/Receipt"},"problem":{"$ref":"#/components/schemas/Problem"},)"
      R"("transaction":{"$ref":"#/components/schemas/Transaction"}},"required":["status"],)"
      R"("oneOf":[{"required":["receipt"]},{"required":["problem"]}],"additionalProperties":false})",
      std::move(example));
}

void add_batch_shape(shapes& all) {
  std::string example = R"({"user_id":1,"atomic":false,"completed":1,"operations":[{"status":201,"receipt":)";
  example += render_receipt({samples::purchase(), audience::operators});
  example += R"(,"replayed":false}]})";
  all.add("BatchResult",
          R"({"type":"object","properties":{"user_id":{"type":"integer","format":"int64","minimum":1},)"
          R"("atomic":{"type":"boolean"},)"
          R"("completed":{"type":"integer","minimum":0,"description":"Operations that have happened."},)"
          R"("operations":{"type":"array","minItems":1,"items":{"type":"object",)"
          R"("description":"Either a receipt, or a problem and the row that recorded it.","properties":{)"
          R"("status":{"type":"integer","minimum":200,"maximum":599,"description":"Of the single request's answer."},)"
          R"("receipt":{"$ref":"#/components/schemas/Receipt"},"problem":{"$ref":"#/components/schemas/Problem"},)"
          R"("transaction":{"$ref":"#/components/schemas/Transaction"},)"
          R"("replayed":{"type":"boolean","description":"Whether it had been decided before."}},)"
          R"("required":["status","replayed"],"oneOf":[{"required":["receipt"]},{"required":["problem"]}],)"
          R"("additionalProperties":false}}},"required":["user_id","atomic","completed","operations"],)"
          R"("additionalProperties":false})",
          std::move(example));
}

}  // namespace coffer::api
