-- migrate:up

-- Keys that players send and keys that servers send do not meet. Writers wait while the index is built, readers do not.
create unique index transactions_scoped_key
  on transactions (user_id, idempotency_key, (actor is not distinct from 0)) where idempotency_key is not null;
drop index transactions_idempotency_key;
alter index transactions_scoped_key rename to transactions_idempotency_key;

-- migrate:down
-- coffer:loses transactions of players under keys that servers have used too: transactions where actor = 0 and exists (select from transactions o where o.user_id = transactions.user_id and o.idempotency_key = transactions.idempotency_key and o.actor is distinct from 0)

-- Fails, naming the key, where a player and a server have used the same one.
create unique index transactions_user_key on transactions (user_id, idempotency_key)
  where idempotency_key is not null;
drop index transactions_idempotency_key;
alter index transactions_user_key rename to transactions_idempotency_key;
