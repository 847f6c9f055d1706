/*-------------------------------------------------------------------------
 *
 * first.c
 *	  Let AddressSanitizer start before any other library's constructor.
 *
 * A constructor of libgpg-error calls gettext, which takes a lock and then
 * memory; the first allocation starts ASan, which calls gettext's locks in
 * turn, for ever.  This object is preloaded and linked with -z initfirst, so
 * that its own allocation comes first, when nobody holds a lock.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>

static void __attribute__((constructor))
start(void)
{
	void	   *volatile memory = malloc(1);

	free(memory);
}
