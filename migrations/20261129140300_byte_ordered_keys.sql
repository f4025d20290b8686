-- migrate:up transaction:false

-- Keys in the order of their bytes: a new version of the operating system's collations cannot hide one. When this was cut
-- off, drop the invalid index first: drop index concurrently transactions_key_bytes.
create unique index concurrently transactions_key_bytes
  on transactions (user_id, idempotency_key collate "C", (actor is not distinct from 0))
  where idempotency_key is not null;

-- migrate:down transaction:false

drop index concurrently transactions_key_bytes;
