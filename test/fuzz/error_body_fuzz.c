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
	IgApiResponse response;

	ig_api_read_error(body, size, &response);
	claim(response.error_code == NULL || ig_api_valid_utf8(response.error_code, strlen(response.error_code)));
	claim(response.error_message == NULL || ig_api_valid_utf8(response.error_message, strlen(response.error_message)));
	for (int op = 0; op < ig_api_operation_count(); op++)
	{
		(void) ig_api_not_yet((IgOperation) op, 400, response.error_code);
		(void) ig_api_done_already((IgOperation) op, 400, response.error_code, 2);
	}
	ig_api_response_free(&response);
	free(body);
	return 0;
}
