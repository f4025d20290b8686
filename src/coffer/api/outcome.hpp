// What became of a command as a part of a larger answer.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "coffer/api/audience.hpp"
#include "coffer/api/problem.hpp"
#include "coffer/api/render.hpp"
#include "coffer/domain/command.hpp"

namespace coffer::api {

/// A verdict, as one of the two sees it. `request_id` is the one that a refusal without a journal row shows.
struct shown_outcome {
  shown_outcome(const domain::verdict& v, std::string_view id, audience reader) : what{v}, request_id{id}, to{reader} {}
  const domain::verdict& what;
  std::string_view request_id;
  audience to;
};

inline constexpr std::string_view outcome_text = "Either a receipt, or a problem and the row that recorded it.";

/// Its members: "status", that of the single request's answer, and "receipt", or "problem" and, when the refusal was
/// recorded, "transaction".
/// With `Always` false the object may be about something else.
template <bool Always = true, typename Sink>
void outcome_members(Sink& out, const std::optional<shown_outcome>& of, std::string_view status_text) {
  std::string receipt;
  std::string problem;
  std::string recorded;
  std::optional<int> status;
  if (of && of->what) {
    const domain::transaction& row = of->what->row;
    if (const std::optional<error> why = domain::refusal_of(row)) {
      status = kind_of(why->code).status;
      problem = problem_body(*why, row.request_id);
      recorded = rendered(shown_transaction{row, of->to});
    } else {
      status = 201;
      receipt = render_receipt({row, of->to});
    }
  } else if (of) {
    status = kind_of(of->what.error().code).status;
    problem = problem_body(of->what.error(), of->request_id);
  }
  const note about{.text = status_text, .minimum = 200, .maximum = 599};
  if constexpr (Always) {
    out.member("status", status.value(), about);
  } else {
    out.if_any("status", status, about);
  }
  out.written("receipt", "Receipt", receipt);
  out.written("problem", "Problem", problem);
  out.written("transaction", "Transaction", recorded);
}

}  // namespace coffer::api
