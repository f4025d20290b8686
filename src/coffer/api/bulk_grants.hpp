// The answer to a bulk upload, made while the upload arrives.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "coffer/api/bulk_body.hpp"
#include "coffer/api/line_reader.hpp"
#include "coffer/http/body_source.hpp"
#include "coffer/http/body_stream.hpp"
#include "coffer/net/task_group.hpp"
#include "coffer/service/wallet.hpp"

namespace coffer::api {

/// Which answers a client is shown; the others are counted in the summary.
enum class shown_answers : std::uint8_t { all, refusals, none };

/// Reads grants, one per line, hands them to the lanes and gives an answer per line, in order. At most `window` lines
/// are neither answered nor unread. Malformed lines are answered like refused ones. What ends the upload before its end
/// is said in a last problem line, which belongs to the first line that was not taken; the summary follows in any case.
class bulk_grants final : public http::body_source {
 public:
  static constexpr std::size_t window = 256;

  /// Whether the sender may go on: asked before anything of the upload is taken. May throw pg::error.
  using permission = std::function<net::task<result<void>>()>;

  /// `from` is null for an upload without lines. `slot` is kept until the last line has been decided.
  bulk_grants(service::wallet& with, net::task_group& tasks, http::body_stream* from, std::string request_id,
              domain::actor by, std::shared_ptr<void> slot, permission allowed, const net::executor& ex);
  ~bulk_grants() override;

  /// Gives out only such answers from now on.
  void show(shown_answers which) { shown_ = which; }

  net::task<std::string> next(net::deadline until) override;

 private:
  struct state;
  struct entry;

  static net::task<> decide(std::shared_ptr<state> s, entry& e, bulk_line line, net::deadline until);
  static void answer(state& s, entry& e, const domain::verdict& v);
  net::task<> check_permission();
  void take_lines(std::chrono::steady_clock::duration time);
  bool take_piece();
  void begin_line(std::string& text, net::deadline until);
  void end_early(errc code, std::string detail);
  [[nodiscard]] bool shows(const entry& e) const;
  void collect(std::string& out);
  void finish(std::string& out);

  net::task_group& tasks_;
  http::body_stream* from_;
  permission allowed_;
  line_reader lines_;
  std::string line_;
  bool body_ended_ = false;  ///< no more pieces will come
  bool input_over_ = false;  ///< no more lines will come
  std::string early_end_;    ///< the last problem line
  bool ended_ = false;
  shown_answers shown_ = shown_answers::all;
  std::shared_ptr<state> state_;  ///< shared with the lines that are being decided
};

}  // namespace coffer::api
