-- migrate:up

-- The way down of fewer_constraints adds constraints unchecked; this one, which comes after it, checks the rows that are
-- there, while others read and write.

-- migrate:down

alter table transactions validate constraint transactions_user_id_fkey;
alter table transactions validate constraint transactions_version_check;
alter table transactions validate constraint transactions_kind_check;
alter table transactions validate constraint transactions_status_check;
alter table transactions validate constraint transactions_quantity_check;
alter table transactions validate constraint transactions_amount_check;
alter table transactions validate constraint transactions_balance_after_check;
alter table transactions validate constraint transactions_item_quantity_after_check;
alter table transactions validate constraint transactions_reason_check;
alter table transactions validate constraint transactions_key_check;
alter table inventory validate constraint inventory_user_id_fkey;
alter table inventory validate constraint inventory_bought_check;
alter table users validate constraint users_version_check;
alter table sales_counters validate constraint sales_counters_purchases_check;
alter table sales_counters validate constraint sales_counters_units_check;
alter table sales_counters validate constraint sales_counters_revenue_check;
