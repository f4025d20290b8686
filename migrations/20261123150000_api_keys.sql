-- migrate:up

-- Server keys. digest is SHA-256 of the key, which is not stored; hint its last characters. scopes: names separated by
-- spaces. Rows are never deleted: what a key did is found under its id.
create sequence api_key_ids;
create table api_keys (
  id bigint primary key,
  name text not null,
  digest bytea not null unique check (length(digest) = 32),
  hint text not null,
  scopes text not null,
  is_test boolean not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz
) with (fillfactor = 75);

-- migrate:down
-- coffer:loses server keys: api_keys

drop table api_keys;
drop sequence api_key_ids;
