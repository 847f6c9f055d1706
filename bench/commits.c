/*-------------------------------------------------------------------------
 *
 * commits.c
 *	  Commit one signature request at a time, at a steady rate, and tell when.
 *
 *	commits COUNT RATE PREFIX [CONNINFO]
 *
 * RATE is commits a second; 0: each as soon as the last one has returned.  Prints
 * a line for each: the time at which COMMIT returned, in ns, and the title.
 *
 *-------------------------------------------------------------------------
 */
#include <libpq-fe.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t) t.tv_sec * 1000000000 + t.tv_nsec;
}

static void
check(PGconn *conn, PGresult *result, ExecStatusType expected)
{
	if (PQresultStatus(result) != expected)
	{
		fprintf(stderr, "commits: %s", PQerrorMessage(conn));
		exit(1);
	}
	PQclear(result);
}

/* Wait until then. */
static void
wait_until(int64_t at)
{
	struct timespec t = {at / 1000000000, at % 1000000000};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) != 0)
		;
}

int
main(int argc, char **argv)
{
	PGconn	   *conn;
	long		count;
	long		rate;
	int64_t    *times;
	int64_t		began;

	if (argc < 4)
	{
		fputs("usage: commits COUNT RATE PREFIX [CONNINFO]\n", stderr);
		return 2;
	}
	count = atol(argv[1]);
	rate = atol(argv[2]);
	times = calloc((size_t) count, sizeof(int64_t));
	conn = PQconnectdb(argc > 4 ? argv[4] : "");
	if (times == NULL || PQstatus(conn) != CONNECTION_OK)
	{
		fprintf(stderr, "commits: %s", PQerrorMessage(conn));
		return 1;
	}
	check(conn, PQprepare(conn, "sign",
						  "SELECT ignisign_sign($1, '\\x255044462d312e34'::bytea, ARRAY[ignisign_signer('ann@example.com')])",
						  1, NULL), PGRES_COMMAND_OK);
	began = now_ns();
	for (long i = 0; i < count; i++)
	{
		char		title[64];
		const char *values[1] = {title};

		snprintf(title, sizeof(title), "%s%ld", argv[3], i);
		if (rate > 0)
			wait_until(began + i * (1000000000 / rate));
		check(conn, PQexec(conn, "BEGIN"), PGRES_COMMAND_OK);
		check(conn, PQexecPrepared(conn, "sign", 1, values, NULL, NULL, 0), PGRES_TUPLES_OK);
		check(conn, PQexec(conn, "COMMIT"), PGRES_COMMAND_OK);
		times[i] = now_ns();
	}
	for (long i = 0; i < count; i++)
		printf("%lld %s%ld\n", (long long) times[i], argv[3], i);
	PQfinish(conn);
	free(times);
	return 0;
}
