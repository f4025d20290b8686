-- migrate:up

-- What was refunded of the sales in sales_counters, in the hour of the purchase: the popular products are the sales less
-- these. purchases counts those of which nothing is left, units and revenue also what was refunded of the others.
create table refunded_sales (
  hour timestamptz not null,
  product_id bigint not null,
  lane smallint not null,
  purchases bigint not null check (purchases >= 0),
  units bigint not null check (units >= 0),
  revenue bigint not null check (revenue >= 0),
  primary key (hour, product_id, lane)
) with (fillfactor = 70);
insert into refunded_sales (hour, product_id, lane, purchases, units, revenue)
  select date_trunc('hour', p.created_at, 'UTC'), p.product_id, 0, count(*) filter (where r.units = p.quantity),
    sum(r.units), least(sum(p.amount / p.quantity * r.units), 9223372036854775807)
  from refunds r join transactions p using (user_id, version) where p.kind = 2 group by 1, 2;

-- migrate:down
-- coffer:drops refunded_sales: up counts them again from refunds

drop table refunded_sales;
