-- The rights that `coffer serve`, `verify`, `doctor` and `key` need, and no more: the journal can be added to and read,
-- not changed, and nothing can be created, altered or dropped. Run it as the role that ran `coffer migrate up`, and once
-- more after every upgrade:
--   psql -v role=coffer_serve -f serve_role.sql coffer
-- The role must exist: create role coffer_serve login password '...';
\set ON_ERROR_STOP on
begin;

grant usage on schema public to :"role";
grant usage on all sequences in schema public to :"role";
revoke all on all tables in schema public from :"role";

grant select, insert on transactions, usernames, emails to :"role";
grant select, insert, update on users, inventory, products, product_stock, refunds, api_keys, request_keys to :"role";
grant select, insert, update, delete on sales_counters, refunded_sales to :"role";
grant select, insert, delete on job_runs, event_log to :"role";
grant select, insert, update, delete on webhooks, webhook_places, webhook_deliveries to :"role";
grant select, update on webhook_relay to :"role";
grant select on schema_migrations to :"role";

-- What a later migration makes can be used at once, before this has been run again.
alter default privileges in schema public grant select, insert, update on tables to :"role";
alter default privileges in schema public grant usage on sequences to :"role";

commit;
