/*-------------------------------------------------------------------------
 *
 * options.c
 *	  The options of the command line.
 *
 *-------------------------------------------------------------------------
 */
#include "util/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/buffer.h"
#include "util/clock.h"

#define VERSION "1.1.0"
#define DEFAULT_KEY "skv2_development_5a4db0c5-0000-4000-8000-000000000001_sandboxsecret"
#define DEFAULT_SECRET "sk_development_sandboxsecret"

SbOptions	sb_options = {
	.port = 8017,
	.bind = "127.0.0.1",
	.sign_after = -1,
	.proof_delay = 300,
	.max_body = 50000000,
	.max_status_ids = 100,
	.page_size = 20,
	.list_order = 'n',
	.tls_dir = ".",
	.hash_format = "base64",
	.webhook_retries = 3,
	.webhook_retry_delay = 1000,
	.token_lifetime = 600000,
	.jwt_lifetime = 3600000
};

static const char help[] =
"ignisign-sandbox is a local server that behaves like the Ignisign API v4.\n"
"\n"
"Usage:\n"
"  ignisign-sandbox [OPTION]...\n"
"\n"
"Options:\n"
"      --port PORT            port to listen on (default 8017); 0: any that is free\n"
"      --bind ADDRESS         IPv4 address to listen on (default 127.0.0.1)\n"
"      --api-key KEY          accept this key; may be given several times (default\n"
"                             " DEFAULT_KEY ")\n"
"      --secret SECRET        let the application of the last key log in with this\n"
"                             (default " DEFAULT_SECRET " for the default key)\n"
"      --jwt-lifetime MS      of the token that a login gives (default 3600000)\n"
"      --tls                  speak HTTPS, with a certificate made at start\n"
"      --tls-dir DIR          where to write ca.pem, which clients need (default .)\n"
"      --ready-file FILE      write the process id there when listening\n"
"      --state FILE           keep everything there, and go on with what it holds\n"
"      --verbose              print a line for each call, e-mail and delivery\n"
"      --public-url URL       how links to sign at begin (default: from the address)\n"
"      --open-console         show the console to other machines, too\n"
"\n"
"What happens to requests (times in milliseconds):\n"
"      --launch-delay MS      from the call to IN_PROGRESS (default 0)\n"
"      --sign-after MS        signers sign by themselves, one after another, so long\n"
"                             after the launch or the one before (default: never)\n"
"      --manual EMAIL         this one does not: it signs in the page or by an admin\n"
"                             call; may be given several times\n"
"      --process-delay MS     from the last signature to COMPLETED (default 0)\n"
"      --proof-delay MS       from COMPLETED to the proof (default 300)\n"
"\n"
"What the API leaves open:\n"
"      --normalize            trim titles, and change odd characters of file names\n"
"      --lenient              ignore unknown fields instead of refusing them\n"
"      --list-order ORDER     newest (default) or oldest first, or mixed\n"
"      --clock MS             run the clock so far ahead, or behind if negative\n"
"      --page-size N          requests on a page of the list (default 20)\n"
"      --max-body BYTES       largest body (default 50000000)\n"
"      --max-status-ids N     most ids in a call of the batch status (default 100)\n"
"      --hash-format FORMAT   base64 (default), base64url or hex\n"
"      --webhook-retries N    further deliveries of an event that failed (default 3)\n"
"      --webhook-retry-delay MS\n"
"                             time between them (default 1000)\n"
"      --webhook-ca FILE      check the certificates of webhook endpoints with these\n"
"                             authorities (default: do not check)\n"
"      --token-lifetime MS    of a webhook's verification token (default 600000)\n"
"      --no-url               download no documents, not even from this machine\n"
"\n"
"      --fault FAULT          break calls, as POST /_sandbox/faults does; may be given\n"
"                             several times\n"
"      --help                 show this help, then exit\n"
"      --version              show the version, then exit\n"
"\n"
"A FAULT is the name of an operation or *, then what is to happen: count=N or\n"
"share=0..1 [seed=N], for=TEXT; status=CODE [body=json|text|none] [retry-after=VALUE],\n"
"delay=MS, delay-after=MS, close=before|mid|after, garbage, empty, type=TYPE,\n"
"huge=BYTES, slow=BYTES_PER_SECOND, endless, deep=N, wide=N, bomb=BYTES,\n"
"raw=WHAT, redirect=URL.  See docs/sandbox.md.\n";

static const struct option long_options[] = {
	{"port", required_argument, NULL, 'p'},
	{"bind", required_argument, NULL, 'b'},
	{"api-key", required_argument, NULL, 'k'},
	{"secret", required_argument, NULL, 'S'},
	{"jwt-lifetime", required_argument, NULL, 'J'},
	{"tls", no_argument, NULL, 't'},
	{"tls-dir", required_argument, NULL, 'T'},
	{"ready-file", required_argument, NULL, 'r'},
	{"state", required_argument, NULL, 'F'},
	{"verbose", no_argument, NULL, 'v'},
	{"public-url", required_argument, NULL, 'U'},
	{"open-console", no_argument, NULL, 'O'},
	{"launch-delay", required_argument, NULL, 'l'},
	{"sign-after", required_argument, NULL, 's'},
	{"manual", required_argument, NULL, 'B'},
	{"process-delay", required_argument, NULL, 'P'},
	{"proof-delay", required_argument, NULL, 'd'},
	{"lenient", no_argument, NULL, 'L'},
	{"normalize", no_argument, NULL, 'y'},
	{"list-order", required_argument, NULL, 'o'},
	{"clock", required_argument, NULL, 'c'},
	{"page-size", required_argument, NULL, 'z'},
	{"max-body", required_argument, NULL, 'm'},
	{"max-status-ids", required_argument, NULL, 'i'},
	{"hash-format", required_argument, NULL, 'H'},
	{"webhook-retries", required_argument, NULL, 'R'},
	{"webhook-retry-delay", required_argument, NULL, 'D'},
	{"webhook-ca", required_argument, NULL, 'C'},
	{"token-lifetime", required_argument, NULL, 'K'},
	{"no-url", no_argument, NULL, 'u'},
	{"fault", required_argument, NULL, 'f'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},

	/* Names of version 1.0. */
	{"by-hand", required_argument, NULL, 'B'},
	{"tidy", no_argument, NULL, 'y'},
	{NULL, 0, NULL, 0}
};

/* Read a number within a range, or say what is wrong and exit. */
static int64_t
number(const char *name, const char *text, int64_t min, int64_t max)
{
	char	   *end;
	long long	value;

	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < min || value > max)
	{
		fprintf(stderr, "ignisign-sandbox: invalid value \"%s\" for --%s\n", text, name);
		exit(2);
	}
	return value;
}

/* Read one of two or three words. */
static const char *
word(const char *name, const char *text, const char *const *words)
{
	for (; *words != NULL; words++)
	{
		if (strcmp(*words, text) == 0)
			return *words;
	}
	fprintf(stderr, "ignisign-sandbox: invalid value \"%s\" for --%s\n", text, name);
	exit(2);
}

/* Read how links begin, without a slash at the end, or exit. */
static const char *
public_url(char *text)
{
	size_t		length = strlen(text);

	if ((strncmp(text, "http://", 7) != 0 && strncmp(text, "https://", 8) != 0) || strpbrk(text, " \t\n\"<>?#") != NULL)
	{
		fprintf(stderr, "ignisign-sandbox: invalid value \"%s\" for --public-url\n", text);
		exit(2);
	}
	while (text[length - 1] == '/')
		text[--length] = '\0';
	return text;
}

/* Append to a list of words. */
static void
add_word(const char ***words, int *count, const char *word)
{
	*words = sb_realloc(*words, (size_t) (*count + 1) * sizeof(char *));
	(*words)[(*count)++] = word;
}

/* Read the options; what is wrong with them ends the program. */
void
sb_read_options(int argc, char **argv)
{
	static const char *const orders[] = {"newest", "oldest", "mixed", NULL};
	static const char *const formats[] = {"base64", "base64url", "hex", NULL};
	const int64_t day = 24 * 3600 * 1000;
	int			option;
	int			index = 0;

	while ((option = getopt_long(argc, argv, "", long_options, &index)) != -1)
	{
		const char *name = long_options[index].name;

		switch (option)
		{
			case 'p':
				sb_options.port = (int) number(name, optarg, 0, 65535);
				break;
			case 'b':
				sb_options.bind = optarg;
				break;
			case 'k':
				add_word(&sb_options.api_keys, &sb_options.napi_keys, optarg);
				break;
			case 'S':
				sb_options.secret = optarg;
				break;
			case 'J':
				sb_options.jwt_lifetime = number(name, optarg, 0, day);
				break;
			case 't':
				sb_options.tls = true;
				break;
			case 'T':
				sb_options.tls_dir = optarg;
				break;
			case 'r':
				sb_options.ready_file = optarg;
				break;
			case 'F':
				sb_options.state_file = optarg;
				break;
			case 'v':
				sb_options.verbose = true;
				break;
			case 'U':
				sb_options.public_url = public_url(optarg);
				break;
			case 'O':
				sb_options.open_console = true;
				break;
			case 'B':
				add_word(&sb_options.manual_signers, &sb_options.nmanual_signers, optarg);
				break;
			case 'l':
				sb_options.launch_delay = number(name, optarg, 0, day);
				break;
			case 's':
				sb_options.sign_after = number(name, optarg, 0, day);
				break;
			case 'P':
				sb_options.process_delay = number(name, optarg, 0, day);
				break;
			case 'd':
				sb_options.proof_delay = number(name, optarg, 0, day);
				break;
			case 'y':
				sb_options.normalize = true;
				break;
			case 'L':
				sb_options.lenient = true;
				break;
			case 'o':
				sb_options.list_order = word(name, optarg, orders)[0];
				break;
			case 'c':
				sb_clock_offset = number(name, optarg, -365 * day, 365 * day);
				break;
			case 'z':
				sb_options.page_size = (int) number(name, optarg, 1, 10000);
				break;
			case 'm':
				sb_options.max_body = number(name, optarg, 1, INT_MAX);
				break;
			case 'i':
				sb_options.max_status_ids = (int) number(name, optarg, 1, INT_MAX);
				break;
			case 'H':
				sb_options.hash_format = word(name, optarg, formats);
				break;
			case 'R':
				sb_options.webhook_retries = (int) number(name, optarg, 0, 1000);
				break;
			case 'D':
				sb_options.webhook_retry_delay = number(name, optarg, 0, day);
				break;
			case 'C':
				sb_options.webhook_ca = optarg;
				break;
			case 'K':
				sb_options.token_lifetime = number(name, optarg, 0, day);
				break;
			case 'u':
				sb_options.no_url = true;
				break;
			case 'f':
				add_word(&sb_options.faults, &sb_options.nfaults, optarg);
				break;
			case 'h':
				fputs(help, stdout);
				exit(0);
			case 'V':
				puts("ignisign-sandbox " VERSION);
				exit(0);
			default:
				fputs("Try \"ignisign-sandbox --help\".\n", stderr);
				exit(2);
		}
	}
	if (optind < argc)
	{
		fprintf(stderr, "ignisign-sandbox: unexpected argument \"%s\"\n", argv[optind]);
		exit(2);
	}
	if (sb_options.napi_keys == 0)
	{
		add_word(&sb_options.api_keys, &sb_options.napi_keys, DEFAULT_KEY);
		if (sb_options.secret == NULL)
			sb_options.secret = DEFAULT_SECRET;
	}
}
