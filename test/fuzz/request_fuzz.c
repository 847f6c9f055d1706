/*-------------------------------------------------------------------------
 *
 * request_fuzz.c
 *	  Fuzz target: the body of one-call-sign, from hostile titles and names.
 *
 * Each line of the input is a value: title, e-mail, first and last name, file
 * name, MIME type, URL; an empty one is absent.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "api/api_internal.h"

enum
{
	TITLE, EMAIL, FIRST_NAME, LAST_NAME, FILE_NAME, MIME_TYPE, URL, NVALUES
};

/* An object's member must be this string, and absent if it is NULL. */
static void
check_member(const cJSON *object, const char *name, const char *value)
{
	const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);

	if (value == NULL)
		claim(member == NULL);
	else
		claim(cJSON_IsString(member) && strcmp(member->valuestring, value) == 0);
}

/* What was built says what was given, and nothing else. */
static void
check_body(const IgApiRequest *request, char *const *values)
{
	cJSON	   *tree = cJSON_ParseWithOpts(request->text, NULL, true);
	const cJSON *signers = cJSON_GetObjectItemCaseSensitive(tree, "signers");
	const cJSON *documents = cJSON_GetObjectItemCaseSensitive(tree, "documents");

	claim(cJSON_IsObject(tree) && cJSON_GetArraySize(tree) == 4);
	claim(ig_api_valid_utf8(request->text, strlen(request->text)));
	check_member(tree, "title", values[TITLE]);
	claim(cJSON_GetArraySize(signers) == 1 && cJSON_GetArraySize(documents) == 2);
	check_member(signers->child, "email", values[EMAIL]);
	check_member(signers->child, "firstName", values[FIRST_NAME]);
	check_member(signers->child, "lastName", values[LAST_NAME]);
	check_member(documents->child, "originalName", values[FILE_NAME]);
	check_member(documents->child, "mimeType", values[MIME_TYPE]);
	check_member(documents->child, "base64", "");
	check_member(documents->child->next, "url", values[URL]);
	check_member(documents->child->next, "base64", values[URL] ? NULL : "");
	cJSON_Delete(tree);
}

/* The parts are the text, with the documents in between. */
static void
check_parts(const IgApiRequest *request)
{
	size_t		text = 0;
	int64_t		size = 0;

	for (int i = 0; i < request->nparts; i++)
	{
		if (request->parts[i].kind == IG_PART_TEXT)
		{
			claim(request->parts[i].offset == text);
			text += request->parts[i].length;
			size += (int64_t) request->parts[i].length;
		}
		else
		{
			claim(text > 0 && request->text[text - 1] == '"' && request->text[text] == '"');
			size += 8;
		}
	}
	claim(text == strlen(request->text) && size == request->body_size);
}

/* Build one request. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *values[NVALUES];
	char		error[IG_API_ERROR_SIZE] = "";
	IgApiRequest request;

	for (int i = 0; i < NVALUES; i++)
	{
		values[i] = take_line(&data, &size);
		if (values[i][0] == '\0')
		{
			free(values[i]);
			values[i] = NULL;
		}
	}

	{
		const IgApiSigner signer = {values[EMAIL], values[FIRST_NAME], values[LAST_NAME], NULL};
		const IgApiDocument documents[] = {
			{values[FILE_NAME], values[MIME_TYPE], NULL, 5}, {values[FILE_NAME], values[MIME_TYPE], values[URL], 4}
		};
		const IgApiArgs args = {
			.title = values[TITLE], .signature_method = "SIMPLE_STD", .signers = &signer, .nsigners = 1,
			.documents = documents, .ndocuments = 2
		};

		if (ig_api_build(IG_OP_ONE_CALL_SIGN, &args, &request, error))
		{
			check_body(&request, values);
			check_parts(&request);
			ig_api_request_free(&request);
		}
		else
			claim(error[0] != '\0' && request.text == NULL && request.parts == NULL);
	}

	for (int i = 0; i < NVALUES; i++)
		free(values[i]);
	return 0;
}
