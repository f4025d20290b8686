-- Baseline B1: a purchase as one server-side function call, a transaction each, on the same schema. Its sales counters
-- have a lane of the client's own, so that it waits for nothing it need not wait for.
create or replace function bench_purchase(buyer bigint, wanted bigint, client smallint) returns bigint
language plpgsql as $$
declare
  cost bigint;
  left_over bigint;
  at bigint;
  owned bigint;
  bought timestamptz;
begin
  select price into cost from products where id = wanted and is_active and type = 1;
  update users set balance = balance - cost, version = version + 1 where id = buyer and balance >= cost
    returning balance, version into left_over, at;
  if not found then
    return 0;
  end if;
  bought := clock_timestamp();  -- behind the lock, so that times rise with versions
  insert into inventory as i (user_id, product_id, quantity, bought, purchased_at)
    values (buyer, wanted, 1, 1, bought)
    on conflict (user_id, product_id) do update set quantity = i.quantity + 1, bought = i.bought + 1,
      purchased_at = excluded.purchased_at
    returning quantity into owned;
  insert into transactions (user_id, version, kind, status, product_id, quantity, amount, balance_after,
                            item_quantity_after, request_id, created_at)
    values (buyer, at, 2, 2, wanted, 1, cost, left_over, owned, 'bench', bought);
  insert into sales_counters as c (hour, product_id, lane, purchases, units, revenue)
    values (date_trunc('hour', bought), wanted, client, 1, 1, cost)
    on conflict (hour, product_id, lane) do update set purchases = c.purchases + 1, units = c.units + 1,
      revenue = c.revenue + excluded.revenue;
  return at;
end
$$;
