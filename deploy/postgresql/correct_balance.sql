-- Adds credits to a wallet by hand, or takes them with a negative number, and writes the row of the journal that says
-- so: a grant. Beside running servers, as the owner of the tables, once per correction:
--   psql -v user=42 -v credits=-50 -v note='double deposit of 3 March' -f correct_balance.sql coffer
-- It shows the new version, the balance and the row's request_id. `coffer cache clear` afterwards: the servers have not
-- heard of it. POST /users/{user_id}/grants does the same, once per Idempotency-Key; use that where you can.
\set ON_ERROR_STOP on
begin;

-- The lock that every batch of the user takes first, so that nobody decides about the wallet meanwhile.
select version + 1 as version from users where id = :user for no key update \gset

-- Times rise with versions, so this is the time now, behind the lock, and not that of the transaction's beginning.
insert into transactions (user_id, version, kind, status, quantity, amount, balance_after, detail_1, note, request_id, created_at)
  select id, :version, 5, 2, 0, abs(:credits), balance + :credits, case when :credits < 0 then -1 end, :'note',
    'by-hand-' || gen_random_uuid(), clock_timestamp()
  from users where id = :user
  returning version, balance_after, request_id;
-- The version rises with every change: what anybody remembers of the wallet is old from here on.
update users set balance = balance + :credits, version = :version where id = :user;

-- Whoever follows the events is told. Last, and of two corrections at a time the second is refused: run it again.
insert into event_log
  (stream, position, created_at, events, users, first_versions, counts, after_streams, after_positions)
  select 0, coalesce((select max(position) from event_log where stream = 0), 0) + 1, clock_timestamp(),
    :version - told, array[id], array[told + 1], array[:version - told],
    case when event_stream <> 0 then array[event_stream] end,
    case when event_stream <> 0 then array[(select max(position) from event_log where stream = event_stream)] end
  from users cross join lateral (select coalesce(event_version, :version - 1)) as last (told) where id = :user;
update users set event_version = :version, event_stream = 0 where id = :user;

commit;
