-- The role and the database of the service. Run as a superuser with the password in AGB_DATABASE_PASSWORD:
--     psql --no-psqlrc --set ON_ERROR_STOP=1 --file deploy/roles.sql
\set ON_ERROR_STOP 1
\getenv password AGB_DATABASE_PASSWORD

-- Row-level security does not apply to superusers and to roles with BYPASSRLS, so the role is neither.
CREATE ROLE agb LOGIN PASSWORD :'password'
    NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 180;

-- The service creates its tables and migrates them, so it owns the database. No other role may connect.
CREATE DATABASE agb OWNER agb TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
REVOKE ALL ON DATABASE agb FROM PUBLIC;

\connect agb
REVOKE ALL ON SCHEMA public FROM PUBLIC;
