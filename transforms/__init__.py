"""Pure functions from Ibis tables to an Ibis table: no connection, no Prefect, no logging."""
