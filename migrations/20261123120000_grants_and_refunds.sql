-- coffer:replaces dcd50381a50e9cc0caec058b1daaff5084ecf7c4f80e1c6b4fedde6dfbbd6a1b
-- migrate:up

-- How many units of a purchase have been refunded; only of purchases of which any were.
create table refunds (
  user_id bigint not null,
  version bigint not null,
  units bigint not null check (units >= 1),
  primary key (user_id, version)
) with (fillfactor = 80);
-- The journal may hold refunds from before this migration was taken back. Read before the journal is altered, so that
-- nobody waits for it meanwhile; a refund has no detail_1 when that was deleted on purpose.
insert into refunds (user_id, version, units)
  select user_id, detail_1, sum(case when product_id is null then amount + coalesce(detail_2, 0) else quantity end)
  from transactions where kind = 4 and status = 2 and detail_1 is not null group by user_id, detail_1;

-- What an operator gave as the reason of a grant or refund. Of those rows detail_1 and detail_2 are: of a grant -1 when it
-- takes something away; of a refund the version of the purchase, and the units that had been used up (of a refusal: that
-- could have been refunded).
alter table transactions add column note text;

-- migrate:down
-- coffer:loses grants and refunds: transactions where kind in (4, 5) or note is not null
-- coffer:drops refunds: up counts them again from the journal

drop table refunds;
alter table transactions drop column note;
