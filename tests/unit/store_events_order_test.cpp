#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include "coffer/api/events_cursor.hpp"
#include "coffer/store/events_store.hpp"
#include "support/catch.hpp"

namespace store_events_order_test {

using namespace coffer;

namespace {

timestamp at(int second) { return timestamp{std::chrono::seconds{second}}; }

std::vector<std::pair<int, int>> places_of(const store::rows_in_order& taken) {
  std::vector<std::pair<int, int>> places;
  for (const store::logged_row& row : taken.rows) {
    places.emplace_back(row.stream, static_cast<int>(row.position));
  }
  return places;
}

using places = std::vector<std::pair<int, int>>;

}  // namespace

TEST_CASE("rows of several streams are taken by their times, but never before those that they come after") {
  // The clock was turned back: what is older by its time comes later.
  store::rows_ahead ahead{.from = {},
                          .streams = {{{1, 1, 2, at(10), {}}, {1, 2, 2, at(11), {}}},
                                      {{2, 1, 2, at(5), {{std::int16_t{1}, 2}}}, {2, 2, 2, at(6), {}}}}};
  store::rows_ahead rest = ahead;
  CHECK(places_of(store::take_in_order(ahead, 100)) == places{{1, 1}, {1, 2}, {2, 1}, {2, 2}});
  CHECK((ahead.from.read[1].position == 2 && ahead.from.read[2].position == 2));
  SECTION("nor when a page ends in between") {
    CHECK(places_of(store::take_in_order(rest, 3)) == places{{1, 1}});
    CHECK((rest.from.read.size() == 1 && rest.from.read[1].position == 1));
  }
}

TEST_CASE("a row that has more events than a page is read in parts, and nothing comes in between") {
  store::rows_ahead all{.from = {}, .streams = {{{1, 1, 5, at(10), {}}}, {{2, 1, 1, at(11), {}}}}};
  const auto read = [&all](std::int64_t most) {
    store::rows_ahead now = all;
    // What is read whole is not ahead any more.
    for (auto& rows : now.streams) {
      std::erase_if(rows, [&](const store::logged_row& row) {
        const auto seen = all.from.read.find(row.stream);
        return seen != all.from.read.end() && seen->second.position >= row.position;
      });
    }
    store::rows_in_order taken = store::take_in_order(now, most);
    all.from = now.from;
    return taken;
  };
  store::rows_in_order taken = read(2);
  CHECK((taken.skipped == 0 && taken.events == 2 &&
         all.from.begun == store::events_place::part{1, 2, store::mark_of(at(10))}));
  all.streams[1].front().created_at = at(1);
  taken = read(2);
  CHECK(places_of(taken) == places{{1, 1}});
  CHECK((taken.skipped == 2 && taken.events == 2 &&
         all.from.begun == store::events_place::part{1, 4, store::mark_of(at(10))}));
  taken = read(2);
  CHECK(places_of(taken) == places{{1, 1}, {2, 1}});
  CHECK((taken.skipped == 4 && taken.events == 2 && all.from.begun == store::events_place::part{}));
  CHECK(read(2).rows.empty());
}

TEST_CASE("whatever the page's size, every event is taken once, and each user's in order") {
  std::mt19937 random{17};  // NOLINT(cert-msc51-cpp): the same every time
  for (int round = 0; round < 200; ++round) {
    // Batches of some users, by writers in three streams, in the order of their commits.
    std::map<int, std::pair<std::int16_t, std::int64_t>> last_of_user;
    std::map<std::int16_t, std::int64_t> last_of_stream;
    std::map<std::pair<std::int16_t, std::int64_t>, std::vector<int>> users_of;
    store::rows_ahead log{.from = {}, .streams = std::vector<std::vector<store::logged_row>>(3)};
    std::vector<std::vector<std::pair<std::int16_t, std::int64_t>>> rows_of_user(5);
    for (int i = 0; i < 40; ++i) {
      const auto stream = static_cast<std::int16_t>(random() % 3);
      store::logged_row row{stream, ++last_of_stream[stream], 0, at(static_cast<int>(random() % 100)), {}};
      for (int user = 0; user < 5; ++user) {
        if (random() % 3 != 0) {
          continue;
        }
        ++row.events;
        users_of[{stream, row.position}].push_back(user);
        const auto before = last_of_user.find(user);
        if (before != last_of_user.end() && before->second.first != stream) {
          row.after.emplace_back(before->second.first, last_of_stream[before->second.first]);
        }
        last_of_user[user] = {stream, row.position};
        rows_of_user[static_cast<std::size_t>(user)].emplace_back(stream, row.position);
      }
      log.streams[static_cast<std::size_t>(stream)].push_back(std::move(row));
    }
    std::vector<std::vector<std::pair<std::int16_t, std::int64_t>>> told(5);
    store::events_place place;
    const auto most = static_cast<std::int64_t>(1 + random() % 7);
    for (;;) {
      store::rows_ahead ahead{.from = place, .streams = {}};
      for (const auto& rows : log.streams) {
        auto& left = ahead.streams.emplace_back();
        std::ranges::copy_if(rows, std::back_inserter(left),
                             [&](const auto& row) { return row.position > place.read[row.stream].position; });
        left.resize(std::min<std::size_t>(left.size(), 3));
      }
      const store::rows_in_order taken = store::take_in_order(ahead, most);
      if (taken.rows.empty()) {
        break;
      }
      REQUIRE(taken.events <= most);
      std::int64_t number = 0;
      for (const store::logged_row& row : taken.rows) {
        for (const int user : users_of[{row.stream, row.position}]) {
          if (number >= taken.skipped && number < taken.skipped + taken.events) {
            told[static_cast<std::size_t>(user)].emplace_back(row.stream, row.position);
          }
          ++number;
        }
      }
      // A cursor brings the place back.
      const auto cursor = api::read_events_cursor(api::write_events_cursor(ahead.from));
      REQUIRE(cursor.has_value());
      place = *cursor;
      REQUIRE(place == ahead.from);
    }
    REQUIRE(told == rows_of_user);
  }
}

TEST_CASE("a cursor that was altered, cut or made up is none") {
  store::events_place place;
  place.read = {
      {std::int16_t{-7}, {12, 1}}, {std::int16_t{1}, {1'000'000'000'000, 0xFFFFFF}}, {std::int16_t{32767}, {3, 0}}};
  place.begun = {1, 200, 5};
  const std::string cursor = api::write_events_cursor(place);
  CHECK(api::read_events_cursor(cursor) == place);
  CHECK(cursor.front() == 'A');
  for (std::size_t i = 0; i < cursor.size(); ++i) {
    CHECK(!api::read_events_cursor(cursor.substr(0, i)));
    std::string altered = cursor;
    altered[i] = altered[i] == 'x' ? 'y' : 'x';
    CHECK(!api::read_events_cursor(altered));
  }
  CHECK(!api::read_events_cursor(cursor + "A"));
  CHECK(!api::read_events_cursor("2-e0bc0251c00a"));
  CHECK(api::read_events_cursor(api::write_events_cursor({})) == store::events_place{});
}

}  // namespace store_events_order_test
