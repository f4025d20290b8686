-- migrate:up transaction:false

-- transactions_key_bytes has taken its place.
drop index concurrently transactions_key_place;

-- migrate:down transaction:false

create unique index concurrently transactions_key_place
  on transactions (user_id, idempotency_key, (actor is not distinct from 0)) where idempotency_key is not null;
