// One description per operation of the contract; the handlers are in handlers.hpp.
#pragma once

#include "coffer/api/operation.hpp"

namespace coffer::api::operations {

// users
operation create_user(const document_facts& facts);
operation get_user(const document_facts& facts);
operation find_users(const document_facts& facts);

// products
operation create_product(const document_facts& facts);
operation list_products(const document_facts& facts);
operation get_product(const document_facts& facts);
operation change_product(const document_facts& facts);

// the write path
operation add_funds(const document_facts& facts);
operation purchase(const document_facts& facts);
operation use(const document_facts& facts);
operation grant(const document_facts& facts);
operation refund(const document_facts& facts);
operation run_batch(const document_facts& facts);
operation grant_in_bulk(const document_facts& facts);

// reads
operation get_inventory(const document_facts& facts);
operation list_transactions(const document_facts& facts);
operation get_transaction(const document_facts& facts);
operation get_operation(const document_facts& facts);
operation get_statement(const document_facts& facts);
operation popular_products(const document_facts& facts);

// keys
operation create_key(const document_facts& facts);
operation list_keys(const document_facts& facts);
operation revoke_key(const document_facts& facts);

// probes and documents
operation livez(const document_facts& facts);
operation readyz(const document_facts& facts);
operation healthz(const document_facts& facts);
operation root(const document_facts& facts);
operation openapi(const document_facts& facts);
operation docs(const document_facts& facts);
operation docs_style(const document_facts& facts);
operation docs_script(const document_facts& facts);
operation list_problems(const document_facts& facts);
operation get_problem(const document_facts& facts);

}  // namespace coffer::api::operations
