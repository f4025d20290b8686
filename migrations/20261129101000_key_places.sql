-- migrate:up transaction:false

-- Keys that players send and keys that servers send do not meet. When this was cut off, drop the invalid index first:
-- drop index concurrently transactions_key_place.
create unique index concurrently transactions_key_place
  on transactions (user_id, idempotency_key, (actor is not distinct from 0)) where idempotency_key is not null;

-- migrate:down transaction:false

drop index concurrently transactions_key_place;
