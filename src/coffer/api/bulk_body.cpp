#include "coffer/api/bulk_body.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "coffer/api/grant.hpp"
#include "coffer/api/render.hpp"
#include "coffer/api/samples.hpp"

namespace coffer::api {

const json::object<bulk_line>& bulk_line_schema() {
  static const auto schema =
      with_grant_members(
          json::object<bulk_line>{"BulkGrantLine"}
              .required("user_id", &bulk_line::user, json::integer{1, max_json_integer}, "Who is given or taken from.")
              .rule(
                  [](const bulk_line& line, json::violations& found) { check_body_key(line.idempotency_key, found); }))
          .required("idempotency_key", &bulk_line::idempotency_key, json::text{1, 255, json::charset::line},
                    "As the header Idempotency-Key of the single grant, without quotes around it.");
  return schema;
}

std::optional<answer_mode> answer_mode_from_string(std::string_view text) noexcept {
  const auto* const found = std::ranges::find(answer_modes, text);
  return found == answer_modes.end() ? std::nullopt
                                     : std::optional{static_cast<answer_mode>(found - answer_modes.begin())};
}

std::string render_summary(const bulk_summary& s) {
  return fmt::format(R"({{"summary":{{"lines":{},"granted":{},"replayed":{},"failed":{},"omitted":{},)"
                     R"("complete":{}}}}})",
                     s.lines, s.granted, s.replayed, s.failed, s.omitted, s.complete);
}

void add_bulk_shape(shapes& all) {
  all.add(
      "BulkGrantAnswer",
      R"({"type":"object","description":"One line of the answer: what became of one line of the upload, or, last, )"
      R"(the summary.","properties":{)"
      R"("line":{"type":"integer","minimum":1,"description":"Number of the line in the upload, blank ones counted."},)"
      R"("status":{"type":"integer","minimum":200,"maximum":599,"description":"Of the single grant's answer."},)"
      R"("receipt":{"$ref":"#/components/schemas/Receipt"},"problem":{"$ref":"#/components/schemas/Problem"},)"
      R"("transaction":{"$ref":"#/components/schemas/Transaction"},)"
      R"("replayed":{"type":"boolean","description":"Whether it had been decided before."},)"
      R"("summary":{"type":"object","properties":{"lines":{"type":"integer","minimum":0},)"
      R"("granted":{"type":"integer","minimum":0,"description":"By this upload."},)"
      R"("replayed":{"type":"integer","minimum":0,"description":"Granted before, under the same keys."},)"
      R"("failed":{"type":"integer","minimum":0},)"
      R"("omitted":{"type":"integer","minimum":0,"description":"Of these lines: answers that are not shown, because )"
      R"(only failures were asked for or the server had no room for more."},)"
      R"("complete":{"type":"boolean","description":"Whether the upload was taken to its end."}},)"
      R"("required":["lines","granted","replayed","failed","omitted","complete"],"additionalProperties":false}},)"
      R"("oneOf":[{"required":["line","status","replayed","receipt"]},)"
      R"({"required":["line","status","replayed","problem"]},{"required":["summary"]}],)"
      R"("additionalProperties":false})",
      fmt::format(R"({{"line":1,"status":201,"receipt":{},"replayed":false}})",
                  render_receipt({samples::grant(), audience::operators})));
}

}  // namespace coffer::api
