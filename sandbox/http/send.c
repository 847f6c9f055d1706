/*-------------------------------------------------------------------------
 *
 * send.c
 *	  A response as libmicrohttpd sends it: whole, or as slow, long or broken as a
 *	  fault says.
 *
 *-------------------------------------------------------------------------
 */
#include "http/send.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http/fault.h"
#include "http/response.h"
#include "util/buffer.h"
#include "util/clock.h"
#include "util/threads.h"

#define CHUNK 65536

/* A response that is sent in a special way. */
typedef struct Outgoing
{
	SbBuffer	body;
	bool		cut;			/* break off in the middle */
	int64_t		rate;			/* bytes a second, 0: no limit */
	int64_t		filler;			/* instead of the body, so many bytes */
	bool		endless;		/* instead of the body, bytes for ever */
} Outgoing;

/* libmicrohttpd's callback: the next bytes of a response. */
static ssize_t
read_outgoing(void *closure, uint64_t position, char *buffer, size_t max)
{
	Outgoing   *out = closure;
	uint64_t	end = out->filler ? (uint64_t) out->filler : out->body.length;
	size_t		length = max < CHUNK ? max : CHUNK;

	if (out->endless)
		end = UINT64_MAX;
	if (out->cut)
		end /= 2;
	if (sb_ending() || position >= end)
		return out->cut || sb_ending() ? MHD_CONTENT_READER_END_WITH_ERROR : MHD_CONTENT_READER_END_OF_STREAM;
	if (length > end - position)
		length = end - position;
	if (out->rate > 0)
	{
		size_t		share = (size_t) (out->rate / 10) + 1;

		if (length > share)
			length = share;
		sb_pause_ms(100);
	}
	if (out->filler || out->endless)
		memset(buffer, ' ', length);
	else
		memcpy(buffer, out->body.data + position, length);
	return (ssize_t) length;
}

static void
free_outgoing(void *closure)
{
	Outgoing   *out = closure;

	sb_buffer_free(&out->body);
	free(out);
}

/* Add the date, by the clock of the sandbox. */
static void
add_date(struct MHD_Response *mhd_response)
{
	time_t		seconds = sb_now_ms() / 1000;
	struct tm	tm;
	char		text[64];

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	MHD_add_response_header(mhd_response, "Date", text);
}

/* Turn a response into a response of libmicrohttpd; its body is taken over. */
struct MHD_Response *
sb_make_mhd_response(SbResponse *response, const SbFault *fault)
{
	struct MHD_Response *mhd_response;

	if (fault->close == 'm' || fault->slow > 0 || fault->huge > 0 || fault->endless)
	{
		Outgoing   *out = sb_calloc(1, sizeof(Outgoing));

		out->body = response->body;
		out->cut = fault->close == 'm';
		out->rate = fault->slow;
		out->filler = fault->huge;
		out->endless = fault->endless;
		mhd_response = MHD_create_response_from_callback(out->endless ? MHD_SIZE_UNKNOWN : out->filler ? (uint64_t) out->filler : out->body.length,
														 CHUNK, read_outgoing, out, free_outgoing);
	}
	else
		mhd_response = MHD_create_response_from_buffer(response->body.length, response->body.data, MHD_RESPMEM_MUST_FREE);
	memset(&response->body, 0, sizeof(response->body));

	if (fault->type[0])
		MHD_add_response_header(mhd_response, "Content-Type", fault->type);
	else if (response->content_type != NULL)
		MHD_add_response_header(mhd_response, "Content-Type", response->content_type);
	add_date(mhd_response);
	if (fault->bomb > 0)
		MHD_add_response_header(mhd_response, "Content-Encoding", "gzip");
	if (fault->retry_after[0])
		MHD_add_response_header(mhd_response, "Retry-After", fault->retry_after);
	if (fault->redirect[0])
		MHD_add_response_header(mhd_response, "Location", fault->redirect);
	for (int i = 0; i < response->nheaders; i++)
	{
		MHD_add_response_header(mhd_response, response->headers[i].name, response->headers[i].value);
		free(response->headers[i].value);
	}
	return mhd_response;
}
