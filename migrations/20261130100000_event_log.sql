-- migrate:up

-- What was written, for whoever follows it: a row for each batch, and for each user that was created and each product
-- that was changed, written in the same transaction. The journal has what happened; this has the order. Positions of a
-- stream are dense from 1 on, and of two writers of one stream the second waits for the first and is refused by the
-- primary key: a reader that has seen position n will never see a new row below it. Streams from 1 on are lanes', those
-- below 0 other transactions', 0 is an operator's.
create table event_log (
  stream smallint not null,
  position bigint not null,
  created_at timestamptz not null,
  -- Of users[i] versions first_versions[i] to first_versions[i] + counts[i] - 1. Version 0 is the user's creation.
  events integer not null,
  users bigint[] not null,
  first_versions bigint[] not null,
  counts smallint[] not null,
  -- Where users of this row have older events, in other streams: whoever takes this row has taken those up to there.
  after_streams smallint[],
  after_positions bigint[],
  -- The product as it was then, for a row of one product.
  product jsonb,
  primary key (stream, position)
) with (toast_tuple_target = 8160);
-- Compressing the arrays of a large batch would cost more than writing them.
alter table event_log alter column users set storage external;
alter table event_log alter column first_versions set storage external;
alter table event_log alter column counts set storage external;

-- The newest version of a user that is in event_log, and the stream that it is in. Null: no batch has written since
-- there is an event log.
alter table users add column event_version bigint;
alter table users add column event_stream smallint;

-- migrate:down
-- coffer:drops event_log: the journal has what happened; who follows the events is told cursor_ahead, and begins again
-- coffer:drops users.event_version, users.event_stream: where in event_log a user's events are

alter table users drop column event_stream;
alter table users drop column event_version;
drop table event_log;
