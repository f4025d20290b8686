// /users: makes users, looks them up and finds them by name.
#pragma once

#include "coffer/api/answers.hpp"
#include "coffer/api/endpoints/body_members.hpp"
#include "coffer/api/once.hpp"
#include "coffer/api/openapi/samples.hpp"
#include "coffer/store/users_store.hpp"

namespace coffer::api {

template <typename Sink>
void members_of(Sink& out, const store::user_row& user) {
  out.called("User");
  out.member("id", user.id.value, shown_id);
  out.member("username", user.username, {.text = "Unique regardless of case.", .maximum = longest_username});
  out.member("email", user.email, {.text = "Unique regardless of case.", .maximum = longest_email});
  out.member("balance", user.balance.value, any_credits);
  out.member("version", user.at.value, any_version);
  out.member("created_at", to_rfc3339(user.created_at), any_time);
}

template <>
inline constexpr std::string_view page_name<store::user_row> = "UserPage";

/// POST /users
struct create_user_body {
  std::string username;
  std::string email;
};

inline const json::object<create_user_body>& create_user_schema() {
  static const auto schema = json::object<create_user_body>{"CreateUser"}
                                 .required("username", &create_user_body::username,
                                           json::text{3, 32, json::charset::username}, "Unique regardless of case.")
                                 .required("email", &create_user_body::email, json::text{3, 254, json::charset::email},
                                           "Unique regardless of case.");
  return schema;
}

/// The body in a fixed form, for fingerprints.
inline std::string canonical(const create_user_body& body) {
  std::string text;
  json::writer out{text};
  out.begin_object();
  out.key("username");
  out.value(body.username);
  out.key("email");
  out.value(body.email);
  out.end_object();
  return text;
}

inline net::task<http::response> create_user(context& with, call c) {
  auto wish = read_write(create_user_schema(), c.request);
  if (!wish) {
    co_return refuse(wish.error(), c.request);
  }
  create_user_body& body = wish->body;
  const auto respond = [r = &c.request](const result<store::user_row>& made) {
    return made ? created(*made, fmt::format("/users/{}", made->id.value)) : refuse(made.error(), *r);
  };
  auto under = keyed<store::user_row>(c, std::move(wish->key), "create-user", 0, canonical(body), respond);
  const auto made =
      co_await with.users.create(std::move(body.username), std::move(body.email), std::move(under), c.request.deadline);
  co_return answer_written(made, respond);
}

inline void add_user_shapes(shapes& all, const document_facts&) {
  const store::user_row users[] = {samples::user()};
  all.add(users[0]);
  all.add(page<store::user_row>{users, {}});
}

inline description describe_create_user(const document_facts&) {
  using enum errc;
  return {.id = "createUser",
          .tag = "Users",
          .summary = "Make a user",
          .text = "The new user has an empty wallet and no history.",
          .headers = {key_parameter(false)},
          .body = body_of(create_user_schema(), R"({"username":"ada","email":"ada@example.com"})"),
          .replies =
              {{.status = 201, .text = "The user.", .shape = "User", .headers = {"Location", "Idempotent-Replayed"}}},
          .errors = {invalid_idempotency_key, idempotency_key_reused, username_taken, email_taken},
          .add_shapes = add_user_shapes};
}

inline net::task<http::response> get_user(context& with, call c) {
  const auto found = co_await with.users.find(user_id{c.params[0]}, c.request.deadline);
  co_return found ? ok(*found) : refuse(found.error(), c.request);
}

inline description describe_get_user(const document_facts&) {
  using enum errc;
  return {.id = "getUser",
          .tag = "Users",
          .summary = "Look a user up",
          .text = "Balance and version are those of the latest committed transaction.",
          .replies = {{.text = "The user.", .shape = "User"}},
          .errors = {user_not_found}};
}

inline constexpr query_parameter username_parameter{"username", "string",
                                                    "The user with this name, regardless of case. This or email."};
inline constexpr query_parameter email_parameter{"email", "string",
                                                 "The user with this address, regardless of case. This or username."};
inline constexpr query_parameter find_users_query[] = {username_parameter, email_parameter};

inline net::task<http::response> find_users(context& with, call c) {
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
  std::vector<store::user_row> found_ones;
  if (found) {
    found_ones.push_back(*found);
  }
  co_return http::response{200, http::json_type, rendered(page<store::user_row>{found_ones, {}})};
}

inline description describe_find_users(const document_facts&) {
  using enum errc;
  return {.id = "findUsers",
          .tag = "Users",
          .summary = "Find a user by name or address",
          .text = "A page of none or one. Give exactly one of the parameters.",
          .replies = {{.text = "The page.", .shape = "UserPage"}},
          .errors = {}};
}

inline constexpr endpoint user_endpoints[] = {{.verb = http::method::post,
                                               .path = "/users",
                                               .serve = create_user,
                                               .describe = describe_create_user,
                                               .who = access::needs(auth::scope::funds_write),
                                               .body = body_kind::json},
                                              {.verb = http::method::get,
                                               .path = "/users",
                                               .serve = find_users,
                                               .describe = describe_find_users,
                                               .who = access::needs(auth::scope::inventory_read),
                                               .query = find_users_query},
                                              {.verb = http::method::get,
                                               .path = "/users/{user_id}",
                                               .serve = get_user,
                                               .describe = describe_get_user,
                                               .who = access::needs(auth::scope::inventory_read, subject_place::path)}};

}  // namespace coffer::api
