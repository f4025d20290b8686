-- migrate:up

-- Who asked for a row: the id of a server key; 0 the player himself, whose token opens his own wallet alone; null nobody
-- who is known (a server without authentication, the command line, rows from before).
alter table transactions add column actor bigint;

-- migrate:down
-- coffer:loses transactions of which it is known who asked: transactions where actor is not null

alter table transactions drop column actor;
