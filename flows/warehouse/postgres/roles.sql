-- The two roles of a PostgreSQL warehouse. Run it once, in the database of the warehouse, as a
-- superuser:  psql -d DATABASE -f flows/warehouse/postgres/roles.sql
-- After an upgrade, again: that the roles exist is then told as an error, and is none.
--
-- funnel_writer runs the flow and owns what it makes; give it a password with \password.
-- funnel_reader reads marts, snapshots and quality, nothing else; the default privileges cover
-- tables that are made later. People and programs get it with  GRANT funnel_reader TO anna;

CREATE ROLE funnel_writer LOGIN;
CREATE ROLE funnel_reader;

CREATE SCHEMA IF NOT EXISTS staging AUTHORIZATION funnel_writer;
CREATE SCHEMA IF NOT EXISTS intermediate AUTHORIZATION funnel_writer;
CREATE SCHEMA IF NOT EXISTS marts AUTHORIZATION funnel_writer;
CREATE SCHEMA IF NOT EXISTS snapshots AUTHORIZATION funnel_writer;
CREATE SCHEMA IF NOT EXISTS quality AUTHORIZATION funnel_writer;
CREATE SCHEMA IF NOT EXISTS landed AUTHORIZATION funnel_writer;  -- for incremental runs

GRANT USAGE ON SCHEMA marts, snapshots, quality TO funnel_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA marts, snapshots, quality TO funnel_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE funnel_writer IN SCHEMA marts
    GRANT SELECT ON TABLES TO funnel_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE funnel_writer IN SCHEMA snapshots
    GRANT SELECT ON TABLES TO funnel_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE funnel_writer IN SCHEMA quality
    GRANT SELECT ON TABLES TO funnel_reader;
