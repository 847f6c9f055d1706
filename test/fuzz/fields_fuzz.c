/*-------------------------------------------------------------------------
 *
 * fields_fuzz.c
 *	  Fuzz target: what callers give to each operation, as JSON, and the path
 *	  and body that are made of it.
 *
 * The first line of the input names the operation, the second is a file name,
 * and the rest is the JSON.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "api/api_internal.h"

#define ID "67a1c0de0000000000000001"

/* Nothing in a path ends it, or leads out of it. */
static void
check_path(const char *path)
{
	const char *up;

	claim(path != NULL && path[0] == '/' && path[1] != '/');
	claim(strpbrk(path, " \t\r\n{}#\\\"") == NULL);
	up = strstr(path, "/..");
	claim(up == NULL || (up[3] != '/' && up[3] != '\0') || strcspn(path, "?") < (size_t) (up - path));
	for (; *path; path++)
		claim((unsigned char) *path > ' ' && (unsigned char) *path < 127);
}

/* A body of JSON is JSON, in UTF-8. */
static void
check_json(const IgApiRequest *request)
{
	cJSON	   *tree = cJSON_ParseWithOpts(request->text, NULL, true);

	claim(tree != NULL);
	claim(ig_api_valid_utf8(request->text, strlen(request->text)));
	claim(request->body_size == (int64_t) strlen(request->text));
	cJSON_Delete(tree);
}

/* A body in parts has one, which no file name and no type can end. */
static void
check_multipart(const IgApiRequest *request)
{
	const char *head_end = strstr(request->text, "\r\n\r\n");
	int			lines = 0;

	claim(strncmp(request->text, "--B0UNDARY\r\n", 12) == 0 && head_end != NULL);
	for (const char *c = request->text; c < head_end; c++)
		lines += *c == '\n' ? 1 : 0;
	claim(lines == 2 && strcmp(head_end + 4, "\r\n--B0UNDARY--\r\n") == 0);
	claim(request->body_size == (int64_t) strlen(request->text) + 10);
}

/* Check and build one request. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *name = take_line(&data, &size);
	char	   *file_name = take_line(&data, &size);
	char	   *values = copy_string(data, size);
	const IgApiDocument file = {file_name, "application/pdf", NULL, 10};
	const IgApiArgs args = {
		.app_id = "appId_5a4db0c5-0000-4000-8000-000000000001", .app_env = "DEVELOPMENT", .signature_request_id = ID,
		.document_id = ID, .signer_id = ID, .signature_type = "CADES", .documents = &file, .ndocuments = 1,
		.values = values, .boundary = "B0UNDARY"
	};
	char		error[IG_API_ERROR_SIZE] = "";
	IgOperation op;
	IgApiRequest request;
	bool		good;

	if (!ig_api_operation_by_name(name, &op))
		op = (IgOperation) (name[0] & 31);
	good = ig_api_check(op, values, error);
	claim(good || error[0] != '\0');
	claim(!good || ig_api_check_known(op, values, error));

	/* These two are made of rows, which request_fuzz does. */
	if (op != IG_OP_ONE_CALL_SIGN && op != IG_OP_STATUS)
	{
		error[0] = '\0';
		if (ig_api_build(op, &args, &request, error))
		{
			claim(ig_api_check_known(op, values, error));
			check_path(request.path);
			if (ig_api_sends_content(op))
				check_multipart(&request);
			else if (request.content_type[0] != '\0')
				check_json(&request);
			ig_api_request_free(&request);
		}
		else
			claim(error[0] != '\0' && request.path == NULL && request.text == NULL);
	}
	free(values);
	free(file_name);
	free(name);
	return 0;
}
