-- Baseline: a purchase as one server-side function call, one transaction each, on the same schema.
create or replace function bench_purchase(buyer bigint, wanted bigint) returns bigint language plpgsql as $$
declare
  cost bigint;
  wallet users%rowtype;
  owned bigint;
begin
  select price into cost from products where id = wanted and is_active;
  select * into wallet from users where id = buyer for no key update;
  if wallet.balance < cost then
    return 0;
  end if;
  update users set balance = balance - cost, version = version + 1 where id = buyer;
  insert into inventory as i (user_id, product_id, quantity, purchased_at) values (buyer, wanted, 1, clock_timestamp())
    on conflict (user_id, product_id) do update set quantity = i.quantity + 1, purchased_at = excluded.purchased_at
    returning quantity into owned;
  insert into transactions (user_id, version, kind, status, product_id, quantity, amount, balance_after,
                            item_quantity_after, request_id, created_at)
    values (buyer, wallet.version + 1, 2, 2, wanted, 1, cost, wallet.balance - cost, owned, 'bench', clock_timestamp());
  insert into sales_counters as c (hour, product_id, lane, purchases, units, revenue)
    values (date_trunc('hour', clock_timestamp()), wanted, (buyer % 32)::smallint, 1, 1, cost)
    on conflict (hour, product_id, lane) do update set purchases = c.purchases + 1, units = c.units + 1,
      revenue = c.revenue + excluded.revenue;
  return wallet.version + 1;
end
$$;
