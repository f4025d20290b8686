// The one file that compiles the write path.
#include "coffer/ledger/ledger.hpp"

#include <deque>

#include "coffer/base/assert.hpp"
#include "coffer/ledger/batch.hpp"

namespace coffer::ledger {

template class basic_lane<environment>;

ledger::ledger(std::vector<owned_lane> lanes) : lanes_{std::move(lanes)} {
  COFFER_ASSERT(!lanes_.empty() && lanes_.size() <= logical_lanes);
}

const ledger::owned_lane& ledger::lane_for(user_id user) const {
  return lanes_[lane_index(lane_of(user), lanes_.size())];
}

net::task<key_state> ledger::state_of(domain::key_place place) const {
  const owned_lane& target = lane_for(place.user);
  const net::executor home = co_await asio::this_coro::executor;
  if (home == target.executor) {
    co_return target.writer->state_of(place);
  }
  net::oneshot<key_state> answer{home};
  asio::post(target.executor,
             [&answer, place, writer = target.writer.get()] { answer.set_from_any_thread(writer->state_of(place)); });
  co_return co_await answer.wait();
}

namespace {

void push_all(lane& writer, std::span<pending* const> commands, bool atomic) {
  if (atomic) {
    writer.push_group(commands);
    return;
  }
  for (pending* p : commands) {
    writer.push(*p);
  }
}

}  // namespace

net::task<std::vector<domain::verdict>> ledger::submit_all(std::vector<domain::command> commands, bool atomic,
                                                           net::deadline until) {
  COFFER_ASSERT(!commands.empty());
  const owned_lane& target = lane_for(commands.front().user);
  const net::executor home = co_await asio::this_coro::executor;
  if (atomic) {
    commands.front().together = commands.size();
  }
  std::deque<pending> waiting;
  std::vector<pending*> all;
  all.reserve(commands.size());
  for (domain::command& c : commands) {
    all.push_back(&waiting.emplace_back(std::move(c), until, home));
  }
  if (home == target.executor) {
    push_all(*target.writer, all, atomic);
  } else {
    asio::post(target.executor, [writer = target.writer.get(), &all, atomic] { push_all(*writer, all, atomic); });
  }
  std::vector<domain::verdict> verdicts;
  verdicts.reserve(all.size());
  for (pending& p : waiting) {
    domain::verdict answer = co_await p.answer.wait();
    verdicts.push_back(std::move(answer));
  }
  co_return verdicts;
}

net::task<domain::verdict> ledger::submit(domain::command c, net::deadline until) {
  const owned_lane& target = lane_for(c.user);
  const net::executor home = co_await asio::this_coro::executor;
  pending p{std::move(c), until, home};
  if (home == target.executor) {
    target.writer->push(p);
  } else {
    asio::post(target.executor, [writer = target.writer.get(), &p] { writer->push(p); });
  }
  domain::verdict answer = co_await p.answer.wait();
  co_return answer;
}

}  // namespace coffer::ledger
