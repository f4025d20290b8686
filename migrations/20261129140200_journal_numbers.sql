-- migrate:up

alter table transactions validate constraint transactions_numbers_check;

-- migrate:down
