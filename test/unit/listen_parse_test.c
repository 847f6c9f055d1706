/* Tests of listen_parse.c. */
#include "util/listen_parse.h"
#include "tap.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>

#define TOKEN "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* Whether a type and a length are answered so. */
static bool
responded(const char *type, const char *length, int status)
{
	return ig_listen_check_headers("POST", type, length, 100) == status;
}

int
main(void)
{
	static const char *const paths[] = {
		"", "/", TOKEN, "/ignisign/", "/ignisign/" TOKEN "0", "/ignisign/" TOKEN "/", "/ignisign//" TOKEN,
		"/Ignisign/" TOKEN, "/ignisign/0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", "x/ignisign/" TOKEN
	};
	static const char *const addresses[] = {
		"", ":1", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:+1", "127.0.0.1: 1", "127.0.0.1:1 ",
		"localhost:1", "::1:1", "[::1:1", "[]:1", "[127.0.0.1]:1", "[*]:1", "[::1]", "127.0.0.1:99999999999999999999"
	};
	char		token[IG_LISTEN_DIGITS + 1];
	char		text[64];
	IgAddress	address;

	ok(ig_listen_parse_path("/ignisign/" TOKEN, token), "a path");
	is(token, TOKEN, "its token");
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		ok(!ig_listen_parse_path(paths[i], token), paths[i]);

	ok(responded("application/json", NULL, 0), "JSON");
	ok(responded("Application/JSON; charset=utf-8", "100", 0), "with parameters, as large as may be");
	ok(responded("application/json\t", "0", 0) && responded("application/json ;a", NULL, 0), "blanks");
	ok(responded("application/json", "101", MHD_HTTP_CONTENT_TOO_LARGE), "too large");
	ok(responded("application/json", "99999999999999999999", MHD_HTTP_CONTENT_TOO_LARGE), "far too large");
	ok(responded("application/json", "-1", MHD_HTTP_CONTENT_TOO_LARGE), "below zero");
	ok(responded("application/jsonp", NULL, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE), "another type");
	ok(responded("application/jso", NULL, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE), "a part of the type");
	ok(responded("", NULL, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE) && responded(NULL, "1", MHD_HTTP_UNSUPPORTED_MEDIA_TYPE), "no type");
	ok(ig_listen_check_headers("post", "application/json", NULL, 100) == MHD_HTTP_METHOD_NOT_ALLOWED, "another method");

	ok(ig_listen_parse_address("127.0.0.1:8443", &address) && !address.any && address.length == sizeof(struct sockaddr_in) &&
	   ((struct sockaddr_in *) &address.addr)->sin_port == htons(8443), "an address");
	is(inet_ntop(AF_INET, &((struct sockaddr_in *) &address.addr)->sin_addr, text, sizeof(text)), "127.0.0.1", "its host");
	ok(ig_listen_parse_address("[::1]:65535", &address) && !address.any && address.addr.ss_family == AF_INET6, "one of IPv6");
	ok(ig_listen_parse_address("*:1", &address) && address.any && address.addr.ss_family == AF_INET, "all addresses");
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
		ok(!ig_listen_parse_address(addresses[i], &address), addresses[i]);
	return done_testing();
}
