/*-------------------------------------------------------------------------
 *
 * zip.c
 *	  Zip archives, in memory.
 *
 *-------------------------------------------------------------------------
 */
#include "proof/zip.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/buffer.h"

/* libarchive's callback: take what was written. */
static la_ssize_t
take(struct archive *archive, void *buffer, const void *data, size_t length)
{
	(void) archive;
	sb_buffer_add(buffer, data, length);
	return (la_ssize_t) length;
}

/*
 * Write an archive of "count" members; all have the same time, so that the same
 * members give the same bytes.
 */
void
sb_write_zip(const SbZipMember *members, int count, int64_t time, SbBuffer *zip)
{
	struct archive *archive = archive_write_new();
	bool		done = archive_write_set_format_zip(archive) == ARCHIVE_OK &&
		archive_write_zip_set_compression_store(archive) == ARCHIVE_OK &&
		archive_write_set_bytes_in_last_block(archive, 1) == ARCHIVE_OK &&
		archive_write_open2(archive, zip, NULL, take, NULL, NULL) == ARCHIVE_OK;

	for (int i = 0; done && i < count; i++)
	{
		struct archive_entry *entry = archive_entry_new();

		archive_entry_set_pathname_utf8(entry, members[i].name);
		archive_entry_set_size(entry, (la_int64_t) members[i].size);
		archive_entry_set_filetype(entry, AE_IFREG);
		archive_entry_set_perm(entry, 0644);
		archive_entry_set_mtime(entry, time / 1000, 0);
		done = archive_write_header(archive, entry) == ARCHIVE_OK &&
			archive_write_data(archive, members[i].data, members[i].size) == (la_ssize_t) members[i].size;
		archive_entry_free(entry);
	}
	done = done && archive_write_close(archive) == ARCHIVE_OK;
	if (!done)
	{
		fprintf(stderr, "ignisign-sandbox: zip: %s\n", archive_error_string(archive));
		abort();
	}
	archive_write_free(archive);
}
