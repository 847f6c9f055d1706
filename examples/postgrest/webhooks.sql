-- Lets PostgREST hand webhook messages to the database, and do nothing else there.

\set ON_ERROR_STOP on
\getenv api_key IGNISIGN_API_KEY

CREATE ROLE webhooks NOLOGIN;
CREATE ROLE authenticator LOGIN NOINHERIT;
GRANT webhooks TO authenticator;
GRANT EXECUTE ON FUNCTION ignisign_webhook(jsonb), ignisign_webhook(jsonb, name) TO webhooks;
GRANT USAGE ON FOREIGN SERVER ignisign TO webhooks;
CREATE USER MAPPING FOR webhooks SERVER ignisign OPTIONS (api_key :'api_key');
