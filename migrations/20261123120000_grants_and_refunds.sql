-- migrate:up

-- What an operator gave as the reason of a grant or refund. Of those rows detail_1 and detail_2 are: of a grant -1 when it
-- takes something away; of a refund the version of the purchase, and the units that had been used up (of a refusal: that
-- could have been refunded).
alter table transactions add column note text;

-- How many units of a purchase have been refunded; only of purchases of which any were.
create table refunds (
  user_id bigint not null,
  version bigint not null,
  units bigint not null check (units >= 1),
  primary key (user_id, version)
) with (fillfactor = 80);
-- The journal may hold refunds from before this migration was taken back.
insert into refunds (user_id, version, units)
  select user_id, detail_1, sum(quantity) from transactions where kind = 4 and status = 2 group by user_id, detail_1;

-- migrate:down

drop table refunds;
alter table transactions drop column note;
