/*-------------------------------------------------------------------------
 *
 * url_test.c
 *	  Unit tests of url.c: base URLs that are taken, and those that are not.
 *
 *-------------------------------------------------------------------------
 */
#include "util/url.h"

#include <stddef.h>

#include "tap.h"

/* Whether two URLs have one normal form. */
static bool
equal_urls(const char *a, const char *b)
{
	char		first[IG_URL_SIZE];
	char		second[IG_URL_SIZE];

	return ig_url_normalize(a, first, sizeof(first)) && ig_url_normalize(b, second, sizeof(second)) &&
		strcmp(first, second) == 0;
}

int
main(void)
{
	static const char *const local[] = {
		"http://localhost", "http://LOCALHOST:8017", "http://127.0.0.1:8017/", "http://127.9.8.7", "http://[::1]:80/x"
	};
	static const char *const remote[] = {
		"http://api.ignisign.io", "http://128.0.0.1", "http://127.0.0.1.example.com", "http://127.-1.0.0",
		"http://[::2]", "http://localhost.example.com", "http://127.0.0.+1"
	};
	static const char *const bad[] = {
		"", "api.ignisign.io", "//x", "ftp://x", "file:///etc/passwd", "https://", "https://x:y@z", "https://x@y",
		"https://x?y", "https://x#y", "https://x?", "https://x#", "https://x y", "https://x:99999"
	};
	static const char *const same[] = {
		"https://api.ignisign.io/a/b/", "HTTPS://API.Ignisign.IO/a/b", "https://api.ignisign.io:443/a/b//",
		"https://api.ignisign.io./a/b", "https://api.ignisign.io//a/./b", "https://api.ignisign.io/x/../a/b",
		"http://api.ignisign.io/a/b", "https://api.ignisign.io/%61/b"
	};
	static const char *const different[] = {
		"https://api.ignisign.io", "https://api.ignisign.io/a/B", "https://api.ignisign.io:444/a/b",
		"https://api.ignisign.com/a/b", "https://api.ignisign.io/a/b/c"
	};
	bool		is_http;

	ok(ig_url_problem("https://api.ignisign.io", false, &is_http) == NULL && !is_http, "https");
	ok(ig_url_problem("https://api.ignisign.io:444/a/b", false, &is_http) == NULL && !is_http, "with port and path");
	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++)
		ok(ig_url_problem(local[i], false, &is_http) == NULL && is_http, local[i]);
	for (size_t i = 0; i < sizeof(remote) / sizeof(remote[0]); i++)
		ok(ig_url_problem(remote[i], false, &is_http) != NULL, remote[i]);
	ok(ig_url_problem("http://api.ignisign.io", true, &is_http) == NULL && is_http, "http elsewhere, allowed");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(ig_url_problem(bad[i], true, &is_http) != NULL, bad[i]);
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		ok(equal_urls("https://api.ignisign.io/a/b", same[i]), same[i]);
	for (size_t i = 0; i < sizeof(different) / sizeof(different[0]); i++)
		ok(!equal_urls("https://api.ignisign.io/a/b", different[i]), different[i]);
	ok(equal_urls("http://localhost:8017", "http://127.0.0.1:8017/"), "this machine has one name");
	ok(!equal_urls("http://localhost:8017", "http://127.0.0.1:8018/"), "and many ports");
	return done_testing();
}
