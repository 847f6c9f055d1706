/*-------------------------------------------------------------------------
 *
 * secrets_test.c
 *	  Unit tests of secrets.c: what is overwritten in a text, and what is not.
 *
 *-------------------------------------------------------------------------
 */
#include "util/secrets.h"

#include "tap.h"

#define UUID "5a4db0c5-0000-4000-8000-000000000001"
#define KEY "skv2_development_" UUID "_hunter2"
#define HIDDEN_KEY "skv2_********************************************************"
#define TOKEN "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HIDDEN_TOKEN "****************************************************************"

/* Overwrite a text in a buffer. */
static const char *
hidden(const char *text)
{
	static char buffer[1024];

	snprintf(buffer, sizeof(buffer), "%s", text);
	ig_hide_secrets(buffer);
	return buffer;
}

/* What stays as it is. */
static void
test_kept(void)
{
	static const char *const kept[] = {
		"", "relation \"risk_staging_area\" does not exist", "SELECT * FROM risk_production_2024_q1",
		"SELECT * FROM sk_staging_area", "sk_production_line_2024_assignments_of_the_north",
		"sk_development_area51", "SELECT risk_staging_a1b2c3d4e5f6a7b8c9d0", "sk_staging_", "sk_", "sk",
		"task_development_5a4db0c500004000", "skv2_items", "skv2_development_x", "skv1_development_5a4db0c5-0000-4000-8000-000000000001_x",
		"An API key looks like skv2_<environment>_<application uuid>_<secret>",
		"SELECT * FROM t WHERE kind = 'secret' AND name = 'x'", "SELECT 'my secret', 'x'", "client_secret 'x'",
		"INSERT INTO t (secret) VALUES ('x')", "OPTIONS (secret '')", "secret", "OPTIONS (secret", "secrets 'x'",
		"GET /ignisign/0123 HTTP/1.1", "/ignisign/"
	};

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
	{
		is(hidden(kept[i]), kept[i], kept[i][0] ? kept[i] : "an empty text");
		ok(!ig_has_secret(kept[i]), "has no secret");
	}
}

/* What is overwritten. */
static void
test_hidden(void)
{
	static const char *const pairs[][2] = {
		{KEY, HIDDEN_KEY},
		{"SELECT ignisign_connect('" KEY "', server => 'x')", "SELECT ignisign_connect('" HIDDEN_KEY "', server => 'x')"},
		{"\\n" KEY "\\n", "\\n" HIDDEN_KEY "\\n"},
		{"key%3D" KEY, "key%3D" HIDDEN_KEY},
		{KEY " and " KEY, HIDDEN_KEY " and " HIDDEN_KEY},
		{KEY "/+=.x y", HIDDEN_KEY "***** y"},
		{"skv2_nowhere_x_k3yTh4tN0b0dyM4ySee", "skv2_*****************************"},
		{"'skv2_k3yTh4tN0b0dyM4ySee'", "'skv2_*******************'"},
		{"secret: sk_production_8c1e4a6b9d0f4e2a", "secret: sk_***************************"},
		{"\"sk_staging_Zk3_8c1e4a6b9d0f4e2a-x\"", "\"sk_******************************\""},
		{"OPTIONS (secret 'hunter2')", "OPTIONS (secret '*******')"},
		{"OPTIONS (app_id 'x', \"secret\" 'hunter2', app_env 'y')", "OPTIONS (app_id 'x', \"secret\" '*******', app_env 'y')"},
		{"OPTIONS (SET SECRET\n\t'hunter2')", "OPTIONS (SET SECRET\n\t'*******')"},
		{"OPTIONS (app_id 'x', -- the id\n secret 'hunter2')", "OPTIONS (app_id 'x', -- the id\n secret '*******')"},
		{"OPTIONS (secret'hunter2')", "OPTIONS (secret'*******')"},
		{"OPTIONS (add secret'hunter2')", "OPTIONS (add secret'*******')"},
		{"(secret 'hun''ter2')", "(secret '*********')"},
		{"(secret E'hun\\'ter2')", "(secret E'*********')"},
		{"(secret U&'hunter2')", "(secret U&'*******')"},
		{"(secret $x$hunter2$x$)", "(secret $x$*******$x$)"},
		{"EXECUTE '... OPTIONS (secret ''hunter2'')'", "EXECUTE '... OPTIONS (secret ''*******'')'"},
		{"(secret 'hunter2", "(secret '*******"},
		{"(secret '', app_id 'x', secret 'hunter2')", "(secret '', app_id 'x', secret '*******')"},
		{"POST /ignisign/" TOKEN " HTTP/1.1", "POST /ignisign/" HIDDEN_TOKEN " HTTP/1.1"}
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
	{
		char		what[64];

		snprintf(what, sizeof(what), "text %zu has a secret", i);
		ok(ig_has_secret(pairs[i][0]), what);
		is(hidden(pairs[i][0]), pairs[i][1], "which is overwritten");
		ok(!ig_has_secret(pairs[i][1]), "and then it has none");
	}
}

int
main(void)
{
	char		text[] = KEY " /ignisign/" TOKEN;

	test_kept();
	test_hidden();
	ok(!ig_has_secret(NULL), "nothing has no secret");
	ig_hide_secrets(NULL);
	ig_hide_tokens(NULL);
	ig_hide_tokens(text);
	is(text, KEY " /ignisign/" HIDDEN_TOKEN, "only a token can be overwritten");
	return done_testing();
}
