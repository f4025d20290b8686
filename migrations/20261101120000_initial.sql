-- migrate:up

-- Ids come from these two; no column draws one by itself.
create sequence user_ids;
create sequence product_ids;

-- balance and version change with every batch: no index on them and room on the page keep those updates HOT.
create table users (
  id bigint primary key,
  username text not null,
  email text not null,
  balance bigint not null default 0 check (balance >= 0),
  version bigint not null default 0 check (version >= 0),
  created_at timestamptz not null default now()
) with (fillfactor = 75);

-- Uniqueness of names and addresses, compared without regard to case: the keys are in lower case. Written in the same
-- transaction as the user.
create table usernames (
  username text collate "C" primary key,
  user_id bigint not null
);
create table emails (
  email text collate "C" primary key,
  user_id bigint not null
);

-- type: 1 consumable, 2 permanent. Products are never deleted, only made inactive.
create table products (
  id bigint primary key,
  name text not null,
  description text not null default '',
  price bigint not null check (price >= 0),
  type smallint not null check (type in (1, 2)),
  is_active boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index products_name_key on products (lower(name));

-- What a user owns. A line with quantity 0 is a used-up consumable. No foreign key to products: every purchase would
-- lock the same product row.
create table inventory (
  user_id bigint not null references users (id),
  product_id bigint not null,
  quantity bigint not null check (quantity >= 0),
  purchased_at timestamptz not null default now(),
  primary key (user_id, product_id)
) with (fillfactor = 75);

-- The journal: one row for everything that was decided about a user, append-only, versions dense from 1 on.
-- kind: 1 deposit, 2 purchase, 3 use, 4 refund, 5 grant. status: 1 pending, 2 completed, 3 failed.
create table transactions (
  user_id bigint not null references users (id),
  version bigint not null check (version >= 1),
  kind smallint not null check (kind between 1 and 5),
  status smallint not null check (status between 1 and 3),
  product_id bigint,
  quantity bigint not null check (quantity >= 0),
  amount bigint not null check (amount >= 0),
  balance_after bigint not null check (balance_after >= 0),
  item_quantity_after bigint check (item_quantity_after >= 0),
  reason text,
  idempotency_key text,
  fingerprint bytea,
  request_id text not null,
  created_at timestamptz not null default now(),
  primary key (user_id, version),
  constraint transactions_reason_check check ((status = 3) = (reason is not null)),
  constraint transactions_key_check check ((idempotency_key is null) = (fingerprint is null))
);
create unique index transactions_idempotency_key on transactions (user_id, idempotency_key)
  where idempotency_key is not null;
create index transactions_created_at on transactions using brin (created_at) with (autosummarize = on);

-- Completed purchases per hour, summed for the popular products. lane is a small integer that hashes into the lane
-- that wrote the row, so that two lanes never wait for one counter.
create table sales_counters (
  hour timestamptz not null,
  product_id bigint not null,
  lane smallint not null,
  purchases bigint not null check (purchases >= 0),
  units bigint not null check (units >= 0),
  revenue bigint not null check (revenue >= 0),
  primary key (hour, product_id, lane)
) with (fillfactor = 70);

-- Who inserts the row runs the day's job.
create table job_runs (
  name text not null,
  run_on date not null,
  primary key (name, run_on)
);

-- migrate:down
-- coffer:loses users with their wallets: users
-- coffer:loses products: products
-- coffer:loses transactions: transactions
-- coffer:drops inventory, usernames, emails, sales_counters: they are of users, products and transactions
-- coffer:drops job_runs: only which daily jobs were done

drop table job_runs;
drop table sales_counters;
drop table transactions;
drop table inventory;
drop table products;
drop table emails;
drop table usernames;
drop table users;
drop sequence product_ids;
drop sequence user_ids;
