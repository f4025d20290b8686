-- coffer:replaces 367a3ba70a2e6c223431d7024880a7ee5fa8f0ee5e5fd8e1ae040a815ed2af7f
-- migrate:up

-- The terms of a sale. is_limited says that product_stock keeps a supply: whoever reads the product sees that its stock
-- must be locked.
alter table products add column is_limited boolean not null default false;
alter table products add column per_user_limit bigint;
alter table products add column sale_starts_at timestamptz;
alter table products add column sale_ends_at timestamptz;
alter table products add constraint products_per_user_limit_check check (per_user_limit >= 1);
alter table products add constraint products_sale_check check (sale_ends_at > sale_starts_at);

-- The stocks, apart from the products because lanes and operators write them. supply is null while the product is
-- unlimited again; then nothing is counted. A row is never deleted: sold stays what the journal says.
create table product_stock (
  product_id bigint primary key,
  supply bigint,
  sold bigint not null default 0,
  constraint product_stock_sold_check check (sold >= 0),
  constraint product_stock_supply_check check (sold <= supply)
) with (fillfactor = 50);

-- Units ever bought, used up ones included: what the limit per user counts. Counted and checked by the migration
-- bought_units, so that nobody waits for this one while it reads a large table.
alter table inventory add column bought bigint not null default 0;
alter table inventory add constraint inventory_bought_check check (bought >= 0) not valid;

-- Of a completed purchase that took from a stock, detail_1 is the units sold of it, these included. Of a refusal they
-- are the numbers that its answer shows: sold_out: units left; limit_reached: limit, units bought before; not_on_sale:
-- start and end in microseconds since the Unix epoch.
alter table transactions add column detail_1 bigint;
alter table transactions add column detail_2 bigint;

-- migrate:down
-- coffer:loses stocks of limited products: product_stock
-- coffer:loses products with terms of sale: products where is_limited or per_user_limit is not null or sale_starts_at is not null or sale_ends_at is not null
-- coffer:loses transactions with details (purchases from a stock, refusals, grants, refunds): transactions where detail_1 is not null or detail_2 is not null
-- coffer:drops inventory.bought: bought_units counts it again from the journal

alter table transactions drop column detail_2;
alter table transactions drop column detail_1;
alter table inventory drop column bought;
drop table product_stock;
alter table products drop column sale_ends_at;
alter table products drop column sale_starts_at;
alter table products drop column per_user_limit;
alter table products drop column is_limited;
