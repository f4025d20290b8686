-- migrate:up

-- Whether players see the note of a grant or refund. From here on a refund without a product takes a deposit back: its
-- detail_1 is the version of the deposit, its detail_2 the credits that were not there any more, and refunds.units of that
-- version the credits of the deposit. Of a refusal in an atomic batch detail_2 is what was there behind the operations
-- before it, where balance_after and item_quantity_after do not tell: insufficient_funds, balance_limit_exceeded,
-- not_enough_items.
alter table transactions add column note_public boolean not null default false;

-- migrate:down
-- coffer:loses public notes and deposits taken back: transactions where note_public or (kind = 4 and status = 2 and product_id is null)

alter table transactions drop column note_public;
