-- Adds the tenant :tenant, with the API key in the environment.

\set ON_ERROR_STOP on
\getenv api_key IGNISIGN_API_KEY
\set base_url ''
\getenv base_url IGNISIGN_BASE_URL

BEGIN;

CREATE ROLE :"tenant" LOGIN;
GRANT :"tenant" TO tenants_app;

SELECT ignisign_connect(:'api_key', base_url => nullif(:'base_url', ''), server => :'tenant', for_role => :'tenant');
SELECT ignisign_grant(:'tenant', :'tenant');

GRANT SELECT, INSERT, UPDATE, DELETE ON contract TO :"tenant";

-- A trigger's arguments are fixed when it is made.
SELECT format('CREATE TRIGGER %I AFTER INSERT ON contract FOR EACH ROW WHEN (NEW.tenant = %L)
    EXECUTE FUNCTION ignisign_sign_trigger(''title'', ''pdf'', ''signers'', ''signature_id'', %L)',
    'sign_' || :'tenant', :'tenant', 'server=' || :'tenant') \gexec

COMMIT;
