/*-------------------------------------------------------------------------
 *
 * stub.c
 *	  The fastest stand-in for the API: answers at once, or after a delay, and
 *	  knows when each call came.
 *
 * It checks nothing; for that there is the sandbox.  What it costs is part of
 * every measurement, of ours and of the reference alike.
 *
 *	GET  /bench/set?delay=MS&proof=BYTES&status=WORD
 *	GET  /bench/log			a line for each one-call-sign: time in ns, title
 *	GET  /bench/counts		how many calls of each kind
 *	GET  /bench/reset		forget both
 *
 * A call whose title starts with "slow" is answered after three seconds.
 *
 *-------------------------------------------------------------------------
 */
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TITLE_SIZE	40
#define HEAD_SIZE	512			/* of a body: the title is in it */
#define SLOW_MS		3000
#define MAX_IDS		(64 * 1024)

typedef enum Kind
{
	SIGN,
	STATUS,
	CONTEXT,
	PROOF,
	OTHER,
	KINDS
} Kind;

static const char *const kind_names[KINDS] = {"sign", "status", "context", "proof", "other"};

/* A call while its body arrives. */
typedef struct Call
{
	Kind		kind;
	char	   *body;			/* its beginning; all of it where ids are in it */
	size_t		length;
	size_t		capacity;
	bool		waited;
	int64_t		due;			/* answer then; 0: at once */
	struct Call *next;			/* of those that wait */
	struct MHD_Connection *connection;
} Call;

typedef struct Arrival
{
	int64_t		at;
	char		title[TITLE_SIZE];
} Arrival;

static int64_t delay_ms = 0;
static char status_word[32] = "IN_PROGRESS";
static struct MHD_Response *proof = NULL;
static Arrival *arrivals = NULL;
static size_t narrivals = 0;
static size_t arrivals_size = 0;
static uint64_t counts[KINDS];
static uint64_t next_id = 1;

/* Calls that wait, in no order; and who wakes them. */
static Call *waiting = NULL;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

/* Nanoseconds of a clock that all processes of this machine share. */
static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t) t.tv_sec * 1000000000 + t.tv_nsec;
}

static void *
check(void *p)
{
	if (p == NULL)
	{
		fputs("stub: out of memory\n", stderr);
		exit(1);
	}
	return p;
}

/* Resume calls whose time has come; a thread of its own. */
static void *
wake_calls(void *arg)
{
	(void) arg;
	pthread_mutex_lock(&lock);
	for (;;)
	{
		int64_t		now = now_ns();
		int64_t		next = 0;

		for (Call **link = &waiting; *link != NULL;)
		{
			Call	   *call = *link;

			if (call->due <= now)
			{
				*link = call->next;
				MHD_resume_connection(call->connection);
				continue;
			}
			if (next == 0 || call->due < next)
				next = call->due;
			link = &call->next;
		}
		if (next == 0)
			pthread_cond_wait(&changed, &lock);
		else
		{
			struct timespec until;

			/* The condition's clock is the real one. */
			clock_gettime(CLOCK_REALTIME, &until);
			until.tv_nsec += (next - now) % 1000000000;
			until.tv_sec += (next - now) / 1000000000 + until.tv_nsec / 1000000000;
			until.tv_nsec %= 1000000000;
			pthread_cond_timedwait(&changed, &lock, &until);
		}
	}
	return NULL;
}

/* Keep a call waiting for so long. */
static void
put_off(Call *call, int64_t ms)
{
	call->waited = true;
	call->due = now_ns() + ms * 1000000;
	pthread_mutex_lock(&lock);
	MHD_suspend_connection(call->connection);
	call->next = waiting;
	waiting = call;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&lock);
}

/* What kind of call a path is. */
static Kind
kind_of(const char *path)
{
	size_t		length = strlen(path);

	if (strstr(path, "/one-call-sign") != NULL)
		return SIGN;
	if (length > 7 && strcmp(path + length - 7, "/status") == 0)
		return STATUS;
	if (length > 8 && strcmp(path + length - 8, "/context") == 0)
		return CONTEXT;
	if (strstr(path, "/signature-type/") != NULL)
		return PROOF;
	return OTHER;
}

/* Keep what is needed of the body. */
static void
collect(Call *call, const char *data, size_t length)
{
	size_t		most = call->kind == STATUS ? MAX_IDS : HEAD_SIZE;

	if (call->length + length > most)
		length = most - call->length;
	if (call->length + length + 1 > call->capacity)
	{
		call->capacity = call->length + length + 1;
		call->body = check(realloc(call->body, call->capacity));
	}
	memcpy(call->body + call->length, data, length);
	call->length += length;
	call->body[call->length] = '\0';
}

/* Note that a request to sign came; returns its title. */
static const char *
note_arrival(const Call *call)
{
	const char *title = call->body ? strstr(call->body, "\"title\":\"") : NULL;
	Arrival    *arrival;

	if (narrivals == arrivals_size)
	{
		arrivals_size = arrivals_size ? arrivals_size * 2 : 1024;
		arrivals = check(realloc(arrivals, arrivals_size * sizeof(Arrival)));
	}
	arrival = &arrivals[narrivals++];
	arrival->at = now_ns();
	arrival->title[0] = '\0';
	if (title != NULL)
	{
		title += strlen("\"title\":\"");
		snprintf(arrival->title, TITLE_SIZE, "%.*s", (int) strcspn(title, "\""), title);
	}
	return arrival->title;
}

/* Answer with text, which is freed. */
static enum MHD_Result
answer(struct MHD_Connection *connection, char *text, const char *type)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result result;

	MHD_add_response_header(response, "Content-Type", type);
	result = MHD_queue_response(connection, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return result;
}

/* printf into new memory. */
static char *
text_of(const char *format, const char *a, const char *b, const char *c)
{
	char	   *text;

	if (asprintf(&text, format, a, b, c) < 0)
		check(NULL);
	return text;
}

/* The statuses of the ids in the body. */
static char *
statuses_of(const Call *call)
{
	size_t		size = 64 + (call->length / 26 + 1) * 128;
	char	   *text = check(malloc(size));
	size_t		length = snprintf(text, size, "{\"signatureRequests\":[");
	const char *id = call->body;
	bool		first = true;

	while (id != NULL && (id = strchr(id, '"')) != NULL)
	{
		size_t		span = strspn(id + 1, "0123456789abcdef");

		if (span == 24 && id[25] == '"')
		{
			length += snprintf(text + length, size - length, "%s{\"signatureRequestId\":\"%.24s\",\"status\":\"%s\"}",
							   first ? "" : ",", id + 1, status_word);
			first = false;
		}
		id += span + 1;
	}
	snprintf(text + length, size - length, "]}");
	return text;
}

/* The control calls. */
static enum MHD_Result
control(struct MHD_Connection *connection, const char *path)
{
	const char *value;
	size_t		size = 256 + narrivals * (TITLE_SIZE + 24);
	char	   *text = check(malloc(size));
	size_t		length = 0;

	text[0] = '\0';
	if (strcmp(path, "/bench/set") == 0)
	{
		if ((value = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "delay")) != NULL)
			delay_ms = atoll(value);
		if ((value = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "status")) != NULL)
			snprintf(status_word, sizeof(status_word), "%s", value);
		if ((value = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "proof")) != NULL)
		{
			size_t		bytes = (size_t) atoll(value);
			char	   *content = check(calloc(1, bytes + 5));

			memcpy(content, "%PDF-", 5);
			if (proof != NULL)
				MHD_destroy_response(proof);
			proof = MHD_create_response_from_buffer(bytes, content, MHD_RESPMEM_MUST_FREE);
			MHD_add_response_header(proof, "Content-Type", "application/pdf");
		}
	}
	else if (strcmp(path, "/bench/log") == 0)
	{
		for (size_t i = 0; i < narrivals; i++)
			length += snprintf(text + length, size - length, "%lld %s\n",
							   (long long) arrivals[i].at, arrivals[i].title);
	}
	else if (strcmp(path, "/bench/counts") == 0)
	{
		for (int i = 0; i < KINDS; i++)
			length += snprintf(text + length, size - length, "%s %llu\n", kind_names[i],
							   (unsigned long long) counts[i]);
	}
	else if (strcmp(path, "/bench/reset") == 0)
	{
		narrivals = 0;
		memset(counts, 0, sizeof(counts));
	}
	return answer(connection, text, "text/plain");
}

/* Answer a call of the API. */
static enum MHD_Result
answer_call(struct MHD_Connection *connection, Call *call, const char *path)
{
	char		id[25];

	switch (call->kind)
	{
		case SIGN:
			snprintf(id, sizeof(id), "%024llx", (unsigned long long) next_id++);
			return answer(connection, text_of("{\"signatureRequestId\":\"%s\"}", id, NULL, NULL), "application/json");
		case STATUS:
			return answer(connection, statuses_of(call), "application/json");
		case CONTEXT:
			snprintf(id, sizeof(id), "%.24s", path + strlen("/v4/signature-requests/"));
			return answer(connection,
						  text_of("{\"_id\":\"%s\",\"status\":\"%s\",\"signatureProofStatus\":\"CREATED\",\"signers\":[],"
								  "\"signedBy\":[],\"documents\":[{\"_id\":\"%s\",\"fileName\":\"a.pdf\"}]}",
								  id, status_word, id), "application/json");
		case PROOF:
			if (proof != NULL)
				return MHD_queue_response(connection, MHD_HTTP_OK, proof);
			break;
		default:
			break;
	}
	return answer(connection, text_of("{}", NULL, NULL, NULL), "application/json");
}

/* libmicrohttpd's callback: a call begins, goes on, or is there. */
static enum MHD_Result
handle(void *arg, struct MHD_Connection *connection, const char *path, const char *method,
	   const char *version, const char *data, size_t *length, void **state)
{
	Call	   *call = *state;
	int64_t		delay = delay_ms;

	(void) arg, (void) method, (void) version;
	if (call == NULL)
	{
		call = *state = check(calloc(1, sizeof(Call)));
		call->kind = kind_of(path);
		call->connection = connection;
		return MHD_YES;
	}
	if (*length > 0)
	{
		collect(call, data, *length);
		*length = 0;
		return MHD_YES;
	}
	if (strncmp(path, "/bench/", 7) == 0)
		return control(connection, path);
	if (!call->waited)
	{
		counts[call->kind]++;
		if (call->kind == SIGN && strncmp(note_arrival(call), "slow", 4) == 0)
			delay = SLOW_MS;
		if (delay > 0)
		{
			put_off(call, delay);
			return MHD_YES;
		}
	}
	return answer_call(connection, call, path);
}

/* libmicrohttpd's callback: a call is over. */
static void
finish(void *arg, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode code)
{
	Call	   *call = *state;

	(void) arg, (void) connection, (void) code;
	if (call != NULL)
		free(call->body);
	free(call);
	*state = NULL;
}

/* stub PORT: serve until killed; prints "ready" when it does. */
int
main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	struct MHD_Daemon *server;
	pthread_t	thread;

	if (argc != 2)
	{
		fputs("usage: stub PORT\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	address.sin_port = htons((uint16_t) atoi(argv[1]));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TURBO | MHD_ALLOW_SUSPEND_RESUME, 0,
							  NULL, NULL, handle, NULL,
							  MHD_OPTION_SOCK_ADDR, (struct sockaddr *) &address,
							  MHD_OPTION_NOTIFY_COMPLETED, finish, NULL,
							  MHD_OPTION_CONNECTION_LIMIT, 2000u,
							  MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) (64 * 1024),
							  MHD_OPTION_END);
	if (server == NULL || pthread_create(&thread, NULL, wake_calls, NULL) != 0)
	{
		fputs("stub: could not start\n", stderr);
		return 1;
	}
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}
