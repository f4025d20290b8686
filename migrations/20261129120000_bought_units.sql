-- migrate:up

-- Counts inventory.bought where limited_supply has just added it; where an older text of that one counted it itself the
-- constraint is valid already. Others read the inventory meanwhile, purchases wait.
do $$
begin
  if exists (select from pg_constraint where conrelid = 'inventory'::regclass and conname = 'inventory_bought_check'
             and not convalidated) then
    lock table inventory in share row exclusive mode;
    update inventory i set bought = j.bought
      from (select user_id, product_id, sum(case kind when 2 then quantity else -quantity end) as bought
            from transactions where kind in (2, 4) and status = 2 group by user_id, product_id) j
      where i.user_id = j.user_id and i.product_id = j.product_id and i.bought <> j.bought;
  end if;
end $$;
alter table inventory validate constraint inventory_bought_check;

-- migrate:down
