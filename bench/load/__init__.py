"""Load scenarios: coffer over HTTP beside pgbench on one private PostgreSQL, every run audited. See ../README.md."""
