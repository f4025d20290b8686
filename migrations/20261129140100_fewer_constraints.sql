-- migrate:up

-- Of the constraints on what every batch writes those stay that keep money and quantities from getting negative. A user's
-- rows are written by who holds the lock on the user, so the foreign keys prove what the lock has proved, and cost a third
-- of a purchase; each check costs every statement some microseconds. `coffer verify` proves all of them.
-- Locked in the order of a batch, which otherwise holds the one while it waits for the other.
lock table users, inventory, transactions, sales_counters in access exclusive mode;

alter table transactions drop constraint transactions_user_id_fkey;
alter table inventory drop constraint inventory_user_id_fkey;

alter table transactions drop constraint transactions_version_check;
alter table transactions drop constraint transactions_kind_check;
alter table transactions drop constraint transactions_status_check;
alter table transactions drop constraint transactions_reason_check;
alter table transactions drop constraint transactions_key_check;
alter table inventory drop constraint inventory_bought_check;
alter table users drop constraint users_version_check;
alter table sales_counters drop constraint sales_counters_purchases_check;
alter table sales_counters drop constraint sales_counters_units_check;
alter table sales_counters drop constraint sales_counters_revenue_check;

-- One for four. Nulls do not count.
alter table transactions drop constraint transactions_quantity_check;
alter table transactions drop constraint transactions_amount_check;
alter table transactions drop constraint transactions_balance_after_check;
alter table transactions drop constraint transactions_item_quantity_after_check;
alter table transactions add constraint transactions_numbers_check
  check (least(quantity, amount, balance_after, item_quantity_after) >= 0) not valid;

-- migrate:down

lock table users, inventory, transactions, sales_counters in access exclusive mode;

alter table transactions drop constraint transactions_numbers_check;
alter table transactions add constraint transactions_user_id_fkey foreign key (user_id) references users (id) not valid;
alter table transactions add constraint transactions_version_check check (version >= 1) not valid;
alter table transactions add constraint transactions_kind_check check (kind between 1 and 5) not valid;
alter table transactions add constraint transactions_status_check check (status between 1 and 3) not valid;
alter table transactions add constraint transactions_quantity_check check (quantity >= 0) not valid;
alter table transactions add constraint transactions_amount_check check (amount >= 0) not valid;
alter table transactions add constraint transactions_balance_after_check check (balance_after >= 0) not valid;
alter table transactions add constraint transactions_item_quantity_after_check check (item_quantity_after >= 0) not valid;
alter table transactions add constraint transactions_reason_check
  check ((status = 3) = (reason is not null)) not valid;
alter table transactions add constraint transactions_key_check
  check ((idempotency_key is null) = (fingerprint is null)) not valid;
alter table inventory add constraint inventory_user_id_fkey foreign key (user_id) references users (id) not valid;
alter table inventory add constraint inventory_bought_check check (bought >= 0) not valid;
alter table users add constraint users_version_check check (version >= 0) not valid;
alter table sales_counters add constraint sales_counters_purchases_check check (purchases >= 0) not valid;
alter table sales_counters add constraint sales_counters_units_check check (units >= 0) not valid;
alter table sales_counters add constraint sales_counters_revenue_check check (revenue >= 0) not valid;
