/*-------------------------------------------------------------------------
 *
 * error_body_fuzz.c
 *	  Fuzz target: the bodies of errors.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "api/api.h"

/* Read one body. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *body = copy_bytes(data, size);
	IgApiAnswer answer;

	ig_api_read_error(body, size, &answer);
	claim(answer.error_code == NULL || ig_api_valid_utf8(answer.error_code, strlen(answer.error_code)));
	claim(answer.error_message == NULL || ig_api_valid_utf8(answer.error_message, strlen(answer.error_message)));
	for (int op = 0; op < ig_api_operation_count(); op++)
	{
		(void) ig_api_not_yet((IgOperation) op, 400, answer.error_code);
		(void) ig_api_done_already((IgOperation) op, 400, answer.error_code, 2);
	}
	ig_api_answer_free(&answer);
	free(body);
	return 0;
}
