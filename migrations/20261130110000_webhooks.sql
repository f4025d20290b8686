-- migrate:up

-- Who is told of events. The relay, which one process at a time is, sends them.
create table webhooks (
  id bigint generated always as identity primary key,
  url text not null,
  description text not null,
  -- Bits of the types of events; null: all but those of what failed.
  types integer,
  is_active boolean not null default true,
  -- Why it is not active, where nobody asked for that.
  inactive_reason text,
  -- Keys of the signatures. The former one signs too until former_until.
  secret bytea not null,
  former_secret bytea,
  former_until timestamptz,
  created_at timestamptz not null default now(),
  -- Since when no attempt has been accepted. Null: the last ones were.
  failing_since timestamptz
);

-- How far each has been told: of streams[i] up to positions[i], as a cursor of the feed. Each event before it was
-- accepted, or is in webhook_deliveries. A replay is a second one, which ends at end_positions.
create table webhook_places (
  webhook_id bigint not null references webhooks on delete cascade,
  is_replay boolean not null,
  -- Counts the changes: whoever writes names the one that it read.
  revision bigint not null default 1,
  streams smallint[] not null,
  positions bigint[] not null,
  marks bigint[] not null,
  begun_stream smallint not null,
  begun_events bigint not null,
  begun_mark bigint not null,
  end_streams smallint[],
  end_positions bigint[],
  -- Of a replay by time: only events of this time.
  from_time timestamptz,
  to_time timestamptz,
  primary key (webhook_id, is_replay)
);

-- What was not accepted at once. Accepted later, it goes.
create table webhook_deliveries (
  webhook_id bigint not null references webhooks on delete cascade,
  event_id text collate "C" not null,
  number bigint generated always as identity,
  type smallint not null,
  body text not null,
  attempts smallint not null,
  failed_at timestamptz not null,
  attempted_at timestamptz not null,
  -- Null: dead, nothing more is tried.
  next_attempt_at timestamptz,
  last_status integer,
  last_error text not null,
  primary key (webhook_id, event_id)
);
create index webhook_deliveries_due on webhook_deliveries (webhook_id, next_attempt_at);
create unique index webhook_deliveries_listed on webhook_deliveries (webhook_id, number);

-- Who the relay is: whoever raised the epoch last, until held_until.
create table webhook_relay (
  number smallint primary key default 1 check (number = 1),
  epoch bigint not null default 0,
  held_until timestamptz not null default '-infinity'
);
insert into webhook_relay default values;

-- migrate:down
-- coffer:loses webhooks: webhooks
-- coffer:drops webhook_places, webhook_deliveries: they are of webhooks
-- coffer:drops webhook_relay: which process sends now

drop table webhook_relay;
drop table webhook_deliveries;
drop table webhook_places;
drop table webhooks;
