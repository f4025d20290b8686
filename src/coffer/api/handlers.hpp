// One handler per operation of the contract.
#pragma once

#include "coffer/api/context.hpp"

namespace coffer::api {

// users
net::task<http::response> create_user(context& with, call c);
net::task<http::response> get_user(context& with, call c);
net::task<http::response> find_users(context& with, call c);

// products
net::task<http::response> create_product(context& with, call c);
net::task<http::response> list_products(context& with, call c);
net::task<http::response> get_product(context& with, call c);
net::task<http::response> change_product(context& with, call c);

// the write path
net::task<http::response> add_funds(context& with, call c);
net::task<http::response> purchase(context& with, call c);
net::task<http::response> use(context& with, call c);
net::task<http::response> grant(context& with, call c);
net::task<http::response> refund(context& with, call c);
net::task<http::response> run_batch(context& with, call c);
net::task<http::response> grant_in_bulk(context& with, call c);

// reads
net::task<http::response> get_inventory(context& with, call c);
net::task<http::response> list_transactions(context& with, call c);
net::task<http::response> get_transaction(context& with, call c);
net::task<http::response> get_operation(context& with, call c);
net::task<http::response> get_statement(context& with, call c);
net::task<http::response> popular_products(context& with, call c);

// keys
net::task<http::response> create_key(context& with, call c);
net::task<http::response> list_keys(context& with, call c);
net::task<http::response> revoke_key(context& with, call c);

// probes
http::response livez(context& with, call c);
net::task<http::response> readyz(context& with, call c);
net::task<http::response> healthz(context& with, call c);

// documents
http::response get_root(context& with, call c);
http::response get_openapi(context& with, call c);
http::response get_docs(context& with, call c);
http::response get_docs_style(context& with, call c);
http::response get_docs_script(context& with, call c);
http::response list_problems(context& with, call c);
http::response get_problem(context& with, call c);

}  // namespace coffer::api
