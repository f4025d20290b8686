-- A shop that has been open for a month: `users` users with `rows` journal rows each, who own `lines` products each.
-- The rows come from the loader grown_journal through standard input; the keys and indexes are made anew after the
-- load, as the schema has them.
-- Variables: users, rows, lines, products, price, funds.
\set bought (:rows - 1)
set session_replication_role = replica;
set maintenance_work_mem = '512MB';

create temporary table definitions as
  select format('alter table transactions add constraint %I %s', conname, pg_get_constraintdef(oid)) as again,
         format('alter table transactions drop constraint %I', conname) as away, contype = 'f' as last
  from pg_constraint where conrelid = 'transactions'::regclass and contype in ('p', 'f')
  union all
  select indexdef, format('drop index %I', indexname), false from pg_indexes
  where tablename = 'transactions' and indexname not in (select conname from pg_constraint);
select away from definitions \gexec

insert into products (id, name, price, type)
  select nextval('product_ids'), 'bench ' || n, :price, 1 from generate_series(1, :products) n;
insert into users (id, username, email, balance, version)
  select n, 'bench' || n, 'bench' || n || '@example.com', :funds - :bought * :price, :rows
  from generate_series(1, :users) n;
insert into usernames (username, user_id) select username, id from users order by username collate "C";
insert into emails (email, user_id) select email, id from users order by email collate "C";

\copy transactions (user_id, version, kind, status, product_id, quantity, amount, balance_after, item_quantity_after, request_id, created_at) from pstdin
-- Purchase number n of a user, from 0, is of product 1 + (user + n % lines) % products.
insert into inventory (user_id, product_id, quantity, bought)
  select u, 1 + (u + k) % :products, (:bought - k + :lines - 1) / :lines, (:bought - k + :lines - 1) / :lines
  from generate_series(1, :users) u, generate_series(0, :lines - 1) k where k < :bought;
insert into sales_counters (hour, product_id, lane, purchases, units, revenue)
  select date_trunc('hour', created_at), product_id, 0, count(*), sum(quantity), sum(amount) from transactions
  where kind = 2 group by 1, 2;
select setval('user_ids', :users);
select again from definitions order by last \gexec
vacuum (analyze, freeze);
checkpoint;
