// Bodies: no input breaks the reader, the reader and the diagnosis agree, and what a description accepts is in range.
#include <string>

#include "coffer/api/endpoints/batch.hpp"
#include "coffer/api/endpoints/keys.hpp"
#include "coffer/api/endpoints/products.hpp"
#include "coffer/json/diagnose.hpp"
#include "fuzz/fuzz.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace coffer;
  static const auto deposits = api::make_add_funds_schema(1000);
  static const auto batches = api::make_batch_schema(1000);
  const std::string bytes{fuzz::text_of(data, size)};
  std::string body = bytes;
  const auto parsed = json::parse(body);
  if (!parsed) {
    fuzz::require(parsed.error().code == errc::malformed_json, "what cannot be parsed is malformed_json");
    fuzz::require(!parsed.error().detail.empty(), "a refusal says why");
    return 0;
  }
  fuzz::require(!json::find_fault(bytes), "what is parsed has no fault");
  if (const auto made = api::purchase_schema().read(parsed->root())) {
    fuzz::require(made->quantity >= 1 && made->quantity <= 1000, "a purchase is in range");
  }
  if (const auto made = deposits.read(parsed->root())) {
    fuzz::require(made->amount.value >= 1 && made->amount.value <= 1000, "a deposit is in range");
  }
  if (const auto made = batches.read(parsed->root())) {
    fuzz::require(!made->operations.empty() && made->operations.size() <= api::max_operations, "a batch is in range");
  }
  if (const auto made = api::create_product_schema().read(parsed->root())) {
    fuzz::require(made->price.value >= 0 && !made->name.empty(), "a product is in range");
  }
  if (const auto made = api::grant_schema().read(parsed->root())) {
    fuzz::require(made->credits.has_value() != made->product.has_value(), "a grant is of one kind");
  }
  const auto change = api::change_product_schema().read(parsed->root());
  const auto refund = api::refund_schema().read(parsed->root());
  const auto key = api::create_key_schema().read(parsed->root());
  for (const auto* refusal :
       {change ? nullptr : &change.error(), refund ? nullptr : &refund.error(), key ? nullptr : &key.error()}) {
    fuzz::require(refusal == nullptr || (!refusal->fields.empty() && refusal->fields.size() <= json::max_violations),
                  "a refusal names what is wrong, within bounds");
  }
  return 0;
}
