#include <fmt/format.h>

#include "coffer/api/answers.hpp"
#include "coffer/api/handlers.hpp"
#include "coffer/api/list_query.hpp"
#include "coffer/api/once.hpp"

namespace coffer::api {

net::task<http::response> create_user(context& with, call c) {
  result<std::string> key = idempotency_key(c.request);
  if (!key) {
    co_return refuse(key.error(), c.request);
  }
  result<create_user_body> body = read_body(create_user_schema(), c.request);
  if (!body) {
    co_return refuse(body.error(), c.request);
  }
  const auto respond = [r = &c.request](const result<store::user_row>& made) {
    return made ? created(*made, fmt::format("/users/{}", made->id.value)) : refuse(made.error(), *r);
  };
  auto under = keyed<store::user_row>(c, *std::move(key), "create-user", 0, canonical(*body), respond);
  const auto made = co_await with.users.create(std::move(body->username), std::move(body->email), std::move(under),
                                               c.request.deadline);
  co_return answer_written(made, respond);
}

net::task<http::response> get_user(context& with, call c) {
  const auto found = co_await with.users.find(user_id{c.params[0]}, c.request.deadline);
  co_return found ? ok(*found) : refuse(found.error(), c.request);
}

net::task<http::response> find_users(context& with, call c) {
  if (c.by.who.only) {
    co_return refuse(error{errc::forbidden, "A player's token does not look up users."}, c.request);
  }
  list_query query{c.request};
  auto username = query.text(username_parameter);
  auto email = query.text(email_parameter);
  if (username.has_value() == email.has_value()) {
    query.add(username_parameter, "one_of", "give either username or email");
  }
  if (const auto valid = query.finish(); !valid) {
    co_return refuse(valid.error(), c.request);
  }
  const store::user_name by = username ? store::user_name::username : store::user_name::email;
  std::string name = username ? *std::move(username) : *std::move(email);
  const auto found = co_await with.users.find_by(by, std::move(name), c.request.deadline);
  std::vector<store::user_row> page;
  if (found) {
    page.push_back(*found);
  }
  co_return http::response{200, http::json_type, render_page(std::span<const store::user_row>{page}, {})};
}

}  // namespace coffer::api
