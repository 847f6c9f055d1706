/*-------------------------------------------------------------------------
 *
 * url_test.c
 *	  Unit tests of url.c: base URLs that are taken, and those that are not.
 *
 *-------------------------------------------------------------------------
 */
#include "url.h"

#include <stddef.h>

#include "tap.h"

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
	return done_testing();
}
