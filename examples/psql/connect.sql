-- Lets the role :role sign with the API key in the environment.

\set ON_ERROR_STOP on
\getenv api_key IGNISIGN_API_KEY
\set base_url ''
\getenv base_url IGNISIGN_BASE_URL

CREATE EXTENSION IF NOT EXISTS ignisign;

SELECT format('CREATE ROLE %I LOGIN', :'role')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec

SELECT ignisign_connect(:'api_key', base_url => nullif(:'base_url', ''), for_role => :'role');
SELECT ignisign_grant(:'role');
