/*-------------------------------------------------------------------------
 *
 * malformed.c
 *	  Responses that no server of good will sends.
 *
 * Some are ordinary HTTP around a body that is hard to digest.  The others are
 * not HTTP that libmicrohttpd would speak: they are written to the socket as
 * they are, after which the connection is closed.
 *
 *-------------------------------------------------------------------------
 */
#include "http/malformed.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "http/fault.h"
#include "http/response.h"
#include "util/buffer.h"
#include "util/clock.h"
#include "util/threads.h"

/* libarchive's callback: take what was written. */
static la_ssize_t
take(struct archive *archive, void *buffer, const void *data, size_t length)
{
	(void) archive;
	sb_buffer_add(buffer, data, length);
	return (la_ssize_t) length;
}

/* So many spaces, compressed with gzip. */
static void
make_bomb(int64_t size, SbBuffer *bomb)
{
	static const char spaces[65536];
	struct archive *archive = archive_write_new();
	struct archive_entry *entry = archive_entry_new();
	bool		done;

	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_pathname(entry, "bomb");
	done = archive_write_set_format_raw(archive) == ARCHIVE_OK &&
		archive_write_add_filter_gzip(archive) == ARCHIVE_OK &&
		archive_write_set_bytes_in_last_block(archive, 1) == ARCHIVE_OK &&
		archive_write_open2(archive, bomb, NULL, take, NULL, NULL) == ARCHIVE_OK &&
		archive_write_header(archive, entry) == ARCHIVE_OK;
	for (; done && size > 0; size -= (int64_t) sizeof(spaces))
		done = archive_write_data(archive, spaces, sizeof(spaces)) == (la_ssize_t) sizeof(spaces);
	done = done && archive_write_close(archive) == ARCHIVE_OK;
	if (!done)
	{
		fprintf(stderr, "ignisign-sandbox: gzip: %s\n", archive_error_string(archive));
		abort();
	}
	archive_entry_free(entry);
	archive_write_free(archive);
}

/* A page of a list without an end: new requests, all with one title. */
static void
add_flood(SbBuffer *body, int64_t n)
{
	char		id[SB_ID_LENGTH + 1];
	char		time[32];

	sb_format_time(sb_now_ms(), time);
	sb_buffer_printf(body, "{\"signatureRequests\":[");
	for (int64_t i = 0; i < n; i++)
	{
		sb_make_id(id);
		sb_buffer_printf(body, "%s{\"_id\":\"%s\",\"_createdAt\":\"%s\",\"title\":\"flood\",\"status\":\"IN_PROGRESS\"}",
						 i == 0 ? "" : ",", id, time);
	}
	sb_buffer_printf(body, "],\"paginationData\":{\"total\":1000000000000,\"page\":1,\"nbEventsPerPage\":%lld}}", (long long) n);
}

/* Put a body into the response that is hard to digest; returns its name, or NULL. */
const char *
sb_malformed_body(SbResponse *response, const SbFault *fault)
{
	SbBuffer   *body = &response->body;

	if (fault->deep == 0 && fault->wide == 0 && fault->bomb == 0 && fault->flood == 0 && fault->response == NULL)
		return NULL;
	sb_buffer_free(body);
	response->status = 200;
	response->content_type = "application/json";
	if (fault->bomb > 0)
	{
		make_bomb(fault->bomb, body);
		return "bomb";
	}
	if (fault->flood > 0)
	{
		add_flood(body, fault->flood);
		return "flood";
	}
	if (fault->response != NULL)
	{
		sb_buffer_add(body, fault->response, strlen(fault->response));
		return "answer";
	}
	sb_buffer_printf(body, "{\"value\":");
	for (int64_t i = 0; i < fault->deep; i++)
		sb_buffer_add(body, "[", 1);
	for (int64_t i = 0; i < fault->deep; i++)
		sb_buffer_add(body, "]", 1);
	if (fault->wide > 0)
	{
		sb_buffer_add(body, "[", 1);
		for (int64_t i = 0; i < fault->wide; i++)
			sb_buffer_add(body, i == 0 ? "[]" : ",[]", i == 0 ? 2 : 3);
		sb_buffer_add(body, "]", 1);
	}
	sb_buffer_add(body, "}", 1);
	return fault->deep > 0 ? "deep" : "wide";
}

/* Write to a socket; false: the other end has had enough. */
static bool
write_all(int fd, const char *data, size_t length)
{
	while (length > 0)
	{
		ssize_t		n = send(fd, data, length, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		data += n;
		length -= (size_t) n;
	}
	return true;
}

/* Write text, byte by byte if there is a pause between two. */
static bool
write_slowly(int fd, const char *text, int64_t pause)
{
	if (pause == 0)
		return write_all(fd, text, strlen(text));
	for (; *text; text++)
	{
		if (!write_all(fd, text, 1) || !sb_pause_ms(pause))
			return false;
	}
	return true;
}

/* Respond in a way that is not HTTP, or too much of it. */
void
sb_malformed_write(int fd, const SbResponse *response, const SbFault *fault)
{
	static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
	const SbBuffer *body = &response->body;
	char		line[1024];
	bool		going = true;

	if (strcmp(fault->raw, "http09") == 0)
		going = write_all(fd, body->data, body->length);
	else if (strcmp(fault->raw, "bad-chunks") == 0)
		going = write_slowly(fd, ok, 0) &&
			write_slowly(fd, "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\nzz\r\n1}\r\n0\r\n\r\n", 0);
	else if (strcmp(fault->raw, "informational") == 0)
	{
		while (going)
			going = write_slowly(fd, "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n", 0);
	}
	else if (strcmp(fault->raw, "headers") == 0)
	{
		memset(line, 'x', sizeof(line));
		going = write_slowly(fd, ok, 0);
		for (int64_t i = 0; going; i++)
		{
			char		name[32];

			snprintf(name, sizeof(name), "X-Filler-%lld: ", (long long) i);
			going = write_slowly(fd, name, 0) && write_all(fd, line, sizeof(line)) && write_slowly(fd, "\r\n", 0);
		}
	}
	else if (strcmp(fault->raw, "slow-headers") == 0)
	{
		going = write_slowly(fd, ok, 0);
		while (going)
			going = write_slowly(fd, "X-Slow: y\r\n", 50);
	}
	else if (strcmp(fault->raw, "too-long") == 0 || strcmp(fault->raw, "too-short") == 0)
	{
		bool		more = strcmp(fault->raw, "too-long") == 0;

		snprintf(line, sizeof(line), "Content-Length: %zu\r\n\r\n", more ? body->length + 1000 : body->length / 2);
		going = write_slowly(fd, ok, 0) && write_slowly(fd, line, 0) && write_all(fd, body->data, body->length);
	}
	if (going)
		shutdown(fd, SHUT_WR);
}
