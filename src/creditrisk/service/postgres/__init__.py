"""PostgreSQL: connections, tables and their migrations, rows in, and a log that commits there."""
