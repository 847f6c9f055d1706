-- Servers and user mappings: each option is checked when it is set.
\i test/prelude.psql

-- Unknown options: the valid ones are listed.
SELECT pg_temp.refusal('CREATE SERVER s FOREIGN DATA WRAPPER ignisign OPTIONS (url ''https://x'')');
SELECT pg_temp.refusal('CREATE SERVER s FOREIGN DATA WRAPPER ignisign OPTIONS (api_key ''x'')');
SELECT pg_temp.refusal('ALTER FOREIGN DATA WRAPPER ignisign OPTIONS (x ''y'')');

-- The base URL: HTTPS, or HTTP to this machine.
SELECT url, pg_temp.refusal(format('CREATE SERVER s FOREIGN DATA WRAPPER ignisign OPTIONS (base_url %L)', url))
FROM unnest(ARRAY['http://api.example.com', 'ftp://api.example.com', 'api.example.com', '',
	'https://user:pass@api.example.com', 'https://api.example.com/?x=1', 'https://']) url;
SELECT url, pg_temp.refusal(format('CREATE SERVER s FOREIGN DATA WRAPPER ignisign OPTIONS (base_url %L)', url)),
	pg_temp.refusal('DROP SERVER s')
FROM unnest(ARRAY['https://api.example.com', 'http://127.0.0.1:8017', 'http://localhost:8017', 'http://[::1]:8017']) url;

-- Numbers, lists and paths.
SELECT option, pg_temp.refusal(format('CREATE SERVER s FOREIGN DATA WRAPPER ignisign OPTIONS (%s)', option))
FROM unnest(ARRAY['timeout ''0''', 'timeout ''soon''', 'max_attempts ''99999999999''', 'proof_types ''PDF''',
	'proof_types ''''', 'proof_types ''CADES,C2PA''', 'allow_http ''maybe''', 'check_inputs ''maybe''', 'ca_file ''ca.pem''']) option;

-- Keys: the wrong part is named, the key is not repeated.
CREATE SERVER regress_server FOREIGN DATA WRAPPER ignisign OPTIONS (base_url 'http://127.0.0.1:8017', timeout '5000');
SELECT pg_temp.refusal(format('CREATE USER MAPPING FOR PUBLIC SERVER regress_server OPTIONS (api_key %L)', key))
FROM unnest(ARRAY['sk_development_x', 'skv2_test_5a4db0c5-0000-4000-8000-000000000001_hunter2',
	'skv2_development_5a4d_hunter2', 'skv2_development_5a4db0c5-0000-4000-8000-000000000001_', '']) key;
SELECT pg_temp.refusal('CREATE USER MAPPING FOR PUBLIC SERVER regress_server OPTIONS (key ''x'')');
SELECT pg_temp.refusal(format('CREATE USER MAPPING FOR PUBLIC SERVER regress_server OPTIONS (api_key %L, api_key_file ''/x'')', :'key'));

-- What only a superuser may set.
CREATE ROLE regress_ignisign_user;
GRANT USAGE ON FOREIGN DATA WRAPPER ignisign TO regress_ignisign_user;
GRANT CREATE ON SCHEMA public TO regress_ignisign_user;
SET ROLE regress_ignisign_user;
SELECT option, pg_temp.refusal(format('CREATE SERVER s FOREIGN DATA WRAPPER ignisign OPTIONS (%s)', option))
FROM unnest(ARRAY['allow_http ''true''', 'ca_file ''/etc/ca.pem''']) option;
CREATE SERVER regress_own FOREIGN DATA WRAPPER ignisign;
SELECT pg_temp.refusal('CREATE USER MAPPING FOR CURRENT_USER SERVER regress_own OPTIONS (api_key_file ''/etc/key'')');
DROP SERVER regress_own;
RESET ROLE;

-- Connecting in one call: server, mapping and grants, and again with another key.
SELECT ignisign_connect(:'key', base_url => 'http://127.0.0.1:8017', server => 'regress_two');
SELECT ignisign_connect(:'key' || '3', server => 'regress_two');
SELECT srvoptions FROM pg_foreign_server WHERE srvname = 'regress_two';
SELECT umoptions = ARRAY['api_key=' || :'key' || '3'] FROM pg_user_mappings WHERE srvname = 'regress_two' AND usename = current_user;
SELECT ignisign_connect(:'key', server => 'regress_two', for_role => 'regress_ignisign_user');
SELECT count(*) FROM pg_user_mappings WHERE srvname = 'regress_two';
SELECT pg_temp.refusal('SELECT ignisign_connect(NULL)');
SELECT pg_temp.refusal('SELECT ignisign_connect(''skv2_x'')');
SELECT pg_temp.refusal(format('SELECT ignisign_connect(%L, base_url => ''http://example.com'')', :'key'));
SELECT pg_temp.refusal(format('SELECT ignisign_connect(%L, for_role => ''regress_nobody'')', :'key'));
SET ROLE regress_ignisign_user;
SELECT pg_temp.refusal(format('SELECT ignisign_connect(%L)', :'key'));
RESET ROLE;

DROP SERVER regress_server CASCADE;
DROP SERVER regress_two CASCADE;
REVOKE ALL ON SCHEMA public FROM regress_ignisign_user;
REVOKE ALL ON FOREIGN DATA WRAPPER ignisign FROM regress_ignisign_user;
DROP ROLE regress_ignisign_user;
