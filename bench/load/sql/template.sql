-- What every contender's database starts from. Every balance comes from the journal, so that the books are right before
-- the first run. Variables: users, readers, poor, products, stock, funds, price.
--
--   1 .. users                         funds for everything; the first `readers` of them own every consumable
--   then `poor` users                  no funds
--   products 1 .. products             consumables; then one permanent, then the hot consumable, then one of which
--                                      `stock` pieces exist
create temporary table people as
  select n as id,
         case when n <= :users then :funds else 0 end::bigint as funds,
         case when n <= :readers then :products else 0 end::bigint as owned
  from generate_series(1, :users + :poor) n;

insert into products (id, name, price, type, is_limited)
  select nextval('product_ids'), 'bench ' || n, :price, case n when :products + 1 then 2 else 1 end, n = :products + 3
  from generate_series(1, :products + 3) n;
insert into product_stock (product_id, supply, sold) values (:products + 3, :stock, 0);
insert into users (id, username, email, balance, version)
  select id, 'bench' || id, 'bench' || id || '@example.com', funds - owned * :price, (funds > 0)::int + owned from people;
insert into usernames (username, user_id) select username, id from users;
insert into emails (email, user_id) select email, id from users;
insert into transactions (user_id, version, kind, status, quantity, amount, balance_after, request_id)
  select id, 1, 1, 2, 0, funds, funds, 'bench' from people where funds > 0;
insert into transactions (user_id, version, kind, status, product_id, quantity, amount, balance_after,
                          item_quantity_after, request_id)
  select id, 1 + n, 2, 2, n, 1, :price, funds - n * :price, 1, 'bench' from people, generate_series(1, owned) n
  order by id, n;
insert into inventory (user_id, product_id, quantity, bought) select id, n, 1, 1 from people, generate_series(1, owned) n
  order by id, n;
insert into sales_counters (hour, product_id, lane, purchases, units, revenue)
  select date_trunc('hour', now()), product_id, 0, count(*), sum(quantity), sum(amount) from transactions
  where kind = 2 group by product_id;
select setval('user_ids', :users + :poor);
