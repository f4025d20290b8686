-- migrate:up transaction:false

-- transactions_key_place has taken its place.
drop index concurrently transactions_idempotency_key;

-- migrate:down transaction:false
-- coffer:loses keys that a player and a server have both used: transactions where actor = 0 and exists (select from transactions other where other.user_id = transactions.user_id and other.idempotency_key = transactions.idempotency_key and other.actor is distinct from 0)

create unique index concurrently transactions_idempotency_key on transactions (user_id, idempotency_key)
  where idempotency_key is not null;
