-- migrate:up

-- Answers of the writes that are not in the journal (users, products, server keys), by idempotency key; players' keys and
-- servers' keys are apart. Written in the transaction of the effect: status, headers and body are null inside it alone.
-- Rows stay for ever; what an operator deletes is forgotten: a retry under that key is a new request.
create table request_keys (
  idempotency_key text collate "C" not null,
  by_player boolean not null,
  operation text not null,
  fingerprint bytea not null,
  request_id text collate "C" not null,
  status smallint,
  headers text,
  body text,
  actor bigint,
  created_at timestamptz not null default now(),
  primary key (idempotency_key, by_player)
);

-- migrate:down
-- coffer:loses answers under the idempotency keys of users, products and server keys: request_keys

drop table request_keys;
