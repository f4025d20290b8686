-- The books after a run; every line must be 0.
set work_mem = '256MB';
select 'negative balances' as check, count(*) as violations from users where balance < 0
union all
select 'balance is not the sum of the journal', count(*) from (
  select u.id from users u left join transactions t on t.user_id = u.id and t.status = 2 group by u.id, u.balance
  having u.balance <> coalesce(sum(case t.kind when 1 then t.amount when 2 then -t.amount when 4 then t.amount
                                               when 5 then t.amount else 0 end), 0)) wrong
union all
select 'versions are not dense', count(*) from (
  select u.id from users u left join transactions t on t.user_id = u.id group by u.id, u.version
  having u.version <> count(t.version) or u.version <> coalesce(max(t.version), 0)) wrong
union all
select 'inventory is not what the journal says', count(*) from (
  select coalesce(i.user_id, j.user_id) from inventory i full join (
    select user_id, product_id, sum(case kind when 2 then quantity when 3 then -quantity else 0 end) as quantity
    from transactions where status = 2 and product_id is not null group by user_id, product_id) j
    on j.user_id = i.user_id and j.product_id = i.product_id
  where coalesce(i.quantity, 0) <> coalesce(j.quantity, 0)) wrong
union all
select 'permanents owned twice', count(*) from inventory i join products p on p.id = i.product_id
  where p.type = 2 and i.quantity > 1
union all
select 'sales counters are not what the journal says', count(*) from (
  select coalesce(c.product_id, j.product_id) from
    (select product_id, sum(purchases) as purchases, sum(units) as units, sum(revenue) as revenue
     from sales_counters group by product_id) c
    full join (select product_id, count(*) as purchases, sum(quantity) as units, sum(amount) as revenue
               from transactions where kind = 2 and status = 2 group by product_id) j using (product_id)
  where (c.purchases, c.units, c.revenue) is distinct from (j.purchases, j.units, j.revenue)) wrong;
