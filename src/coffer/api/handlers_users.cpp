#include <fmt/format.h>

#include "coffer/api/answers.hpp"
#include "coffer/api/handlers.hpp"

namespace coffer::api {

net::task<http::response> create_user(context& with, call c) {
  result<create_user_body> body = read_body(create_user_schema(), c.request);
  if (!body) {
    co_return refuse(body.error(), c.request);
  }
  const auto made = co_await with.users.create(std::move(body->username), std::move(body->email), c.request.deadline);
  if (!made) {
    co_return refuse(made.error(), c.request);
  }
  co_return created(*made, fmt::format("/users/{}", made->id.value));
}

net::task<http::response> get_user(context& with, call c) {
  const auto found = co_await with.users.find(user_id{c.params[0]}, c.request.deadline);
  co_return found ? ok(*found) : refuse(found.error(), c.request);
}

}  // namespace coffer::api
