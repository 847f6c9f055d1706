/* Tests of api.c. */
#include "api/api_internal.h"
#include "tap.h"

#include <stdarg.h>
#include <stdlib.h>

#define ID "67a1c0de0000000000000001"
#define UUID "5a4db0c5-0000-4000-8000-000000000001"

static char error[IG_API_ERROR_SIZE];

/* Read a text as the response of an operation. */
static bool
read_text(IgOperation op, const char *text, IgApiResponse *response)
{
	return ig_api_read(op, text, strlen(text), response, error);
}

static void
test_key(void)
{
	static const char *const bad[] = {
		"", "skv2", "skv1_development_" UUID "_hunter2", "skv2_test_" UUID "_hunter2",
		"skv2_development_5a4d_hunter2", "skv2_development_" UUID "_", "skv2_development_" UUID,
		"skv2_development_" UUID "_hunt er2", "skv2_development_" UUID "_hunter2\x7f", "skv2_DEVELOPMENT_" UUID "_hunter2"
	};
	IgApiKey	key;

	ok(ig_api_key_parse("skv2_development_" UUID "_s3cr_et", &key, error), "a key");
	is(key.app_id, "appId_" UUID, "its application");
	is(key.app_env, "DEVELOPMENT", "its environment");
	ok(ig_api_key_parse("skv2_production_" UUID "_x", &key, error), "another");
	is(key.app_env, "PRODUCTION", "its environment");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		error[0] = '\0';
		ok(!ig_api_key_parse(bad[i], &key, error) && error[0] != '\0' && !strstr(error, "hunt"), bad[i]);
	}
}

static void
test_email(void)
{
	static const char *const good[] = {"a@b.co", "ann.lee+x@example.com", "o'neil@sub.example.org", "a_b-c@x-y.io"};
	static const char *const bad[] = {
		"", "a", "@b.co", "a@", "a@b@c.co", "a b@c.co", "a@b..co", ".a@b.co", "a@-b.co", "a@b.co\n", "<a@b.co>", "a@b"
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ok(ig_api_valid_email(good[i]), good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		char		what[64];

		snprintf(what, sizeof(what), "not an address (%zu)", i);
		ok(!ig_api_valid_email(bad[i]), what);
	}
}

static void
test_inputs(void)
{
	IgApiResponse response;

	ok(read_text(IG_OP_INPUTS_NEEDED, "{\"inputsNeeded\":[\"email\",7,\"firstName\"],\"optionalInputs\":[\"phoneNumber\"]}", &response),
	   "inputs-needed is read");
	ok(response.ninputs_needed == 2 && response.noptional_inputs == 1, "what is no string is passed over");
	is(response.inputs_needed[1], "firstName", "what is needed");
	is(response.optional_inputs[0], "phoneNumber", "and what is optional");
	ig_api_response_free(&response);
	ok(read_text(IG_OP_INPUTS_NEEDED, "{\"inputsNeeded\":[]}", &response) && response.ninputs_needed == 0, "nothing may be needed");
	ig_api_response_free(&response);
	ok(!read_text(IG_OP_INPUTS_NEEDED, "{\"signerProfileId\":\"" ID "\"}", &response), "but it must be told");
	ok(!read_text(IG_OP_INPUTS_NEEDED, "[]", &response), "in an object");
	ok(ig_api_known_signer_proof_type("CADES") && !ig_api_known_proof_type("CADES"), "a proof of one signer");
	ok(ig_api_known_proof_type("SIGNED_DATA") && !ig_api_known_signer_proof_type("SIGNED_DATA"), "a proof of a document");
	ok(!ig_api_known_proof_type("C2PA") && !ig_api_known_signer_proof_type("JWSDET"), "what the API does not make");
}

static void
test_build(void)
{
	const IgApiSigner signers[] = {{"ann@example.com", "Ann \"A\"", NULL, NULL}};
	const IgApiDocument documents[] = {{"a.pdf", "application/pdf", NULL, 4}, {"b", "text/plain", "https://x/y", 0}};
	const char *const ids[] = {ID, ID};
	IgApiArgs	args = {
		.app_id = "appId_" UUID, .app_env = "DEVELOPMENT", .title = "Caf\xc3\xa9", .signature_method = "SIMPLE_STD",
		.signers = signers, .nsigners = 1, .documents = documents, .ndocuments = 2,
		.signature_request_id = ID, .document_id = "a/b c", .signer_id = "67a1c0de0000000000000011", .signature_type = "PDF_WITH_SIGNATURES", .page = 3,
		.signature_request_ids = ids, .nsignature_request_ids = 2
	};
	IgApiRequest request;
	IgApiResponse response;
	size_t		text = 0;
	int			base64 = 0;

	ok(ig_api_build(IG_OP_ONE_CALL_SIGN, &args, &request, error), "one-call-sign is built");
	is(request.path, "/v4/signature-requests/one-call-sign", "its path");
	is(request.method, "POST", "its method");
	is(request.content_type, "application/json", "its content type");
	is(request.text,
	   "{\"title\":\"Caf\xc3\xa9\",\"signatureMethod\":\"SIMPLE_STD\",\"signers\":[{\"email\":\"ann@example.com\","
	   "\"firstName\":\"Ann \\\"A\\\"\"}],\"documents\":[{\"originalName\":\"a.pdf\",\"mimeType\":\"application/pdf\","
	   "\"base64\":\"\"},{\"originalName\":\"b\",\"mimeType\":\"text/plain\",\"url\":\"https://x/y\"}]}",
	   "its text, without the content");
	for (int i = 0; i < request.nparts; i++)
	{
		if (request.parts[i].kind == IG_PART_TEXT)
			text += request.parts[i].length;
		else
			base64++;
	}
	ok(base64 == 1 && text == strlen(request.text), "its parts cover it");
	ok(request.body_size == (int64_t) text + 8, "its size counts the content");
	ig_api_request_free(&request);

	ok(ig_api_build(IG_OP_STATUS, &args, &request, error), "status is built");
	is(request.path, "/v4/applications/appId_" UUID "/envs/DEVELOPMENT/signature-requests/status", "its path");
	is(request.text, "{\"signatureRequestIds\":[\"" ID "\",\"" ID "\"]}", "its body");
	ig_api_request_free(&request);

	ok(ig_api_build(IG_OP_LIST, &args, &request, error), "list is built");
	is(request.path, "/v4/applications/appId_" UUID "/envs/DEVELOPMENT/signature-requests?page=3", "its path");
	ok(request.body_size == 0 && request.content_type[0] == 0, "it has no body");
	ig_api_request_free(&request);

	ok(ig_api_build(IG_OP_CLOSE, &args, &request, error), "close is built");
	is(request.path, "/v4/signature-requests/" ID "/close", "its path");
	is(request.text, "{}", "its body");
	ig_api_request_free(&request);

	ok(ig_api_build(IG_OP_RESEND_EMAIL, &args, &request, error), "resend-email is built");
	is(request.path, "/v4/signature-requests/" ID "/67a1c0de0000000000000011/resend-email", "its path");
	ok(request.content_type[0] == 0 && request.body_size == 0, "it has no body");
	ig_api_request_free(&request);
	ok(read_text(IG_OP_RESEND_EMAIL, "", &response), "its answer may be empty");
	ig_api_response_free(&response);

	ok(ig_api_build(IG_OP_PROOF, &args, &request, error), "proof is built");
	is(request.path, "/v4/documents/a%2Fb%20c/signature-type/PDF_WITH_SIGNATURES", "what goes into a path is encoded");
	ig_api_request_free(&request);

	args.title = "\xff";
	ok(!ig_api_build(IG_OP_ONE_CALL_SIGN, &args, &request, error), "invalid UTF-8 is refused");
	args.title = "x";
	args.signature_method = "SIMPLE";
	ok(!ig_api_build(IG_OP_ONE_CALL_SIGN, &args, &request, error), "an unknown method is refused");
	args.signature_method = "SIMPLE_STD";
	args.nsigners = 0;
	ok(!ig_api_build(IG_OP_ONE_CALL_SIGN, &args, &request, error), "no signers are refused");
	args.signature_request_id = NULL;
	ok(!ig_api_build(IG_OP_CONTEXT, &args, &request, error), "a missing id is refused");
	args.document_id = "..";
	ok(!ig_api_build(IG_OP_PROOF, &args, &request, error), "a path that goes up is refused");
}

static void
test_read(void)
{
	IgApiResponse response;

	ok(read_text(IG_OP_ONE_CALL_SIGN, "{\"signatureRequestId\":\"" ID "\",\"new\":[1]}", &response), "one-call-sign");
	is(response.signature_request_id, ID, "its id");
	ig_api_response_free(&response);
	ok(!read_text(IG_OP_ONE_CALL_SIGN, "{\"id\":\"" ID "\"}", &response), "without an id");
	ok(!read_text(IG_OP_ONE_CALL_SIGN, "{\"signatureRequestId\":\"../x\"}", &response), "with an id that is none");
	ok(!read_text(IG_OP_ONE_CALL_SIGN, "", &response), "an empty body");
	ok(!read_text(IG_OP_ONE_CALL_SIGN, "{\"signatureRequestId\":\"" ID "\"", &response), "a cut body");
	ok(!read_text(IG_OP_ONE_CALL_SIGN, "{\"signatureRequestId\":\"" ID "\"} x", &response), "rubbish after it");

	ok(read_text(IG_OP_STATUS, "{\"signatureRequests\":[{\"signatureRequestId\":\"" ID "\",\"status\":\"NEW_ONE\"},"
				 "{\"status\":1},7]}", &response), "status");
	ok(response.nstatuses == 1, "what cannot be used is left out");
	is(response.statuses[0].status, "NEW_ONE", "a status that is not known is kept");
	ig_api_response_free(&response);

	ok(read_text(IG_OP_CONTEXT, "{\"_id\":\"" ID "\",\"status\":\"IN_PROGRESS\",\"signedBy\":[\"67a1c0de0000000000000011\"],"
				 "\"signers\":[{\"signerId\":\"67a1c0de0000000000000011\",\"email\":\"a@b.co\"},"
				 "{\"signerId\":\"67a1c0de0000000000000012\",\"email\":\"c@d.co\"}],"
				 "\"documents\":[{\"_id\":\"67a1c0de0000000000000021\",\"fileName\":\"a.pdf\",\"signatureSummaries\":[{}]}],"
				 "\"signatureProofStatus\":\"CREATED\"}", &response), "context");
	ok(response.nsigners == 2 && response.nsigned == 1, "who has signed");
	ok(response.signers[0].signed_ && !response.signers[1].signed_, "and who has not");
	ok(response.ndocuments == 1, "documents");
	is(response.proof_status, "CREATED", "the proof's status");
	ig_api_response_free(&response);
	ok(read_text(IG_OP_CONTEXT, "{\"_id\":\"" ID "\",\"status\":\"DRAFT\"}", &response), "the least context");
	ig_api_response_free(&response);

	ok(read_text(IG_OP_LIST, "{\"signatureRequests\":[{\"_id\":\"" ID "\",\"title\":\"x\"}],"
				 "\"paginationData\":{\"total\":137,\"page\":1,\"nbEventsPerPage\":20}}", &response), "list");
	ok(response.nitems == 1 && response.total == 137 && response.page_size == 20, "its items and totals");
	ig_api_response_free(&response);

	ig_api_read_error("<html>", 6, &response);
	ok(response.error_message == NULL && response.error_code == NULL, "an error that is not JSON");
	ig_api_response_free(&response);
	ig_api_read_error("{\"message\":{\"a\":1},\"code\":\"X\"}", 30, &response);
	is(response.error_message, "{\"a\":1}", "a message that is an object");
	is(response.error_code, "X", "its code");
	ig_api_response_free(&response);

	/* No prefix of a response may crash or be taken for one. */
	{
		const char	whole[] = "{\"signatureRequests\":[{\"signatureRequestId\":\"" ID "\",\"status\":\"A\\u00e9\"}]}";
		bool		refused = true;

		for (size_t n = 0; n + 1 < strlen(whole); n++)
		{
			char	   *copy = malloc(n ? n : 1);

			memcpy(copy, whole, n);
			if (ig_api_read(IG_OP_STATUS, copy, n, &response, error))
			{
				refused = false;
				ig_api_response_free(&response);
			}
			free(copy);
		}
		ok(refused, "every cut answer is refused");
	}
	{
		char	   *deep = malloc(200001);

		memset(deep, '[', 200000);
		deep[200000] = '\0';
		ok(!ig_api_read(IG_OP_STATUS, deep, 200000, &response, error), "deep nesting is refused");
		free(deep);
	}
	{
		const IgApiLimits usual = ig_api_limits;

#define READ(body) ig_api_read(IG_OP_STATUS, body, strlen(body), &response, error)
		ig_api_limits = (IgApiLimits) {.max_depth = 3, .max_values = 7, .max_items = 1, .max_text = 1};
		ok(READ("{\"signatureRequests\":[{}], \"a\": [1, \"x,:[\\\"{\" ,true]}"), "seven values are not too many");
		ok(response.memory > 7 * 64, "their memory is told");
		ig_api_response_free(&response);
		ok(!READ("{\"signatureRequests\":[{}], \"a\": [1, \"x,:[\\\"{\" ,true,-2e3]}"), "eight are");
		is(error, "it has more than 7 values (ignisign.max_json_values)", "which is told, with the setting");
		ok(response.exceeded, "and that it exceeds a limit");
		ok(READ("{\"signatureRequests\":[[]]}"), "nested three deep is not too deep");
		ig_api_response_free(&response);
		ok(!READ("{\"signatureRequests\":[[[]]]}"), "four is");
		is(error, "it is nested more than 3 deep (ignisign.max_json_depth)", "which is told, too");
		ok(!READ("::::::[1,2,3,4,5,6,7,8,9]"), "colons do not make up for values");
		ok(!READ("{\"a\":\"\\u0000\"}"), "no NUL in a string");
		ok(!response.exceeded, "which is no matter of limits");
		ok(!READ("{\"signatureRequests\":[{},{}]}"), "two items are too many");
		is(error, "it has more than 1 signatureRequests (ignisign.max_response_items)", "with the setting");
		ok(response.exceeded, "as a limit");
		ig_api_limits = usual;
#undef READ
	}
}

/* Append text to a buffer that is large enough. */
static char *
put(char *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

static char *
put(char *to, const char *format, ...)
{
	va_list		args;
	int			n;

	va_start(args, format);
	n = vsnprintf(to, 8192, format, args);
	va_end(args);
	return to + n;
}

/* Lists and texts have limits; who has signed is found without comparing each with each. */
static void
test_limits(void)
{
	const IgApiLimits usual = ig_api_limits;
	const int	nsigners = 25000;
	const int	nsigned = 49000;
	char	   *body = malloc(4 * 1024 * 1024);
	char	   *end = put(body, "{\"_id\":\"" ID "\",\"status\":\"X\",\"signers\":[");
	IgApiResponse response;
	int			right = 0;

	for (int i = 0; i < nsigners; i++)
		end = put(end, "%s{\"signerId\":\"%d\"}", i ? "," : "", i);
	end = put(end, "],\"signedBy\":[");
	for (int i = nsigned; i-- > 0;)
		end = put(end, "\"%d\"%s", i % 2 ? i : 1, i ? "," : "");
	put(end, "]}");
	ok(!read_text(IG_OP_CONTEXT, body, &response), "very many signers are refused");
	is(error, "it has more than 1000 signers (ignisign.max_response_items)", "with bound and setting");
	ok(response.exceeded && response.tree == NULL, "before anything is made of them");
	ig_api_limits.max_items = 100000;
	ok(read_text(IG_OP_CONTEXT, body, &response), "unless the setting allows them");
	for (int i = 0; i < response.nsigners; i++)
		right += response.signers[i].signed_ == (i % 2 == 1);
	ok(response.nsigners == nsigners && right == nsigners && response.nsigned == nsigners / 2, "it is right who has signed");
	ig_api_response_free(&response);
	ok(read_text(IG_OP_CONTEXT, "{\"_id\":\"" ID "\",\"status\":\"X\",\"signedBy\":[\"b\",\"a\",7,\"b\",\"a\"]}", &response) && response.nsigned == 2,
	   "where signers are not told, each counts once");
	ig_api_response_free(&response);
	ig_api_limits = usual;

	/* A text. */
	ig_api_limits.max_text = 1;
	for (int size = 1024; size <= 1025; size++)
	{
		put(body, "{\"_id\":\"" ID "\",\"status\":\"X\",\"documents\":[{\"fileName\":\"%0*d\"}]}", size, 0);
		ok(read_text(IG_OP_CONTEXT, body, &response) == (size == 1024), "a name of at most 1 kB");
		if (size == 1024)
			ig_api_response_free(&response);
	}
	is(error, "it has a text of more than 1 kB (ignisign.max_response_text)", "with bound and setting");
	ok(response.exceeded, "as a limit");
	put(body, "{\"jwtToken\":\"%0*d\"}", 1025, 0);
	ok(!read_text(IG_OP_LOGIN, body, &response), "a token, too");
	put(body, "{\"inputsNeeded\":[\"%0*d\"]}", 1025, 0);
	ok(!read_text(IG_OP_INPUTS_NEEDED, body, &response), "and a name of an input");
	ig_api_limits = usual;

	/* Of an error the beginning is kept, up to a whole character. */
	put(body, "{\"code\":\"%0*d\",\"message\":\"x", 2000, 0);
	end = body + strlen(body);
	for (int i = 0; i < 1000; i++)
		end = put(end, "\303\251");
	put(end, "\"}");
	ig_api_read_error(body, strlen(body), &response);
	ok(strlen(response.error_code) == 1000 && strlen(response.error_message) == 999, "an error is kept in short");
	ig_api_response_free(&response);
	free(body);
}

/* A response is about the request that was asked for; pages end. */
static void
test_about(void)
{
	IgApiResponse response = {.signature_request_id = "67A1c0de0000000000000001"};

	ok(ig_api_is_about(IG_OP_CONTEXT, &response, ID, error), "the same id, whatever the case of its letters");
	response.signature_request_id = "67a1c0de0000000000000002";
	ok(!ig_api_is_about(IG_OP_CONTEXT, &response, ID, error) && !ig_api_is_about(IG_OP_PUBLISH, &response, ID, error), "another id is refused");
	is(error, "it is about another request than the one that was asked for", "with the reason");
	ok(ig_api_is_about(IG_OP_CREATE_REQUEST, &response, ID, error) && ig_api_is_about(IG_OP_CONTEXT, &response, NULL, error), "where none was asked for, any will do");
	response = (IgApiResponse) {.total = 41, .page = 2, .page_size = 20};
	ok(ig_api_has_more_pages(&response), "a page follows");
	response.page = 3;
	ok(!ig_api_has_more_pages(&response), "none follows the last one");
	response = (IgApiResponse) {.total = INT64_C(9000000000000000), .page = INT64_C(8000000000000000), .page_size = INT64_C(9000000000000000)};
	ok(!ig_api_has_more_pages(&response), "numbers of any size");
	response = (IgApiResponse) {.total = -1, .page = -1, .page_size = 20};
	ok(!ig_api_has_more_pages(&response), "or none");
	ok(ig_api_only_reads(IG_OP_CONTEXT) && !ig_api_only_reads(IG_OP_PUBLISH) && !ig_api_only_reads(IG_OP_CALL), "what only reads");
}

static void
test_hash(void)
{
	uint8_t		hash[32];
	uint8_t		other[32] = {0};

	/* SHA-256 of nothing. */
	ok(ig_api_read_sha256("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", hash), "hex");
	ok(ig_api_same_sha256("E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855", hash), "in upper case");
	ok(ig_api_same_sha256("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", hash), "base64");
	ok(ig_api_same_sha256("47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", hash), "base64url, not padded");
	ok(!ig_api_same_sha256("47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", other), "of something else");
	ok(!ig_api_read_sha256("47DEQpj8HBSa-_TImW", hash), "too short");
	ok(!ig_api_read_sha256("", hash), "empty");
	ok(!ig_api_read_sha256("zzb0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", hash), "not hex");
}

static void
test_sniff(void)
{
	is(ig_api_sniff_mime_type((const uint8_t *) "%PDF-1.7", 8, "x"), "application/pdf", "a PDF by its bytes");
	is(ig_api_sniff_mime_type((const uint8_t *) "\x89PNG\r\n\x1a\n", 8, "x.pdf"), "image/png", "bytes before name");
	is(ig_api_sniff_mime_type((const uint8_t *) "hello", 5, "x.txt"), "text/plain", "then the name");
	is(ig_api_sniff_mime_type((const uint8_t *) "\1\2", 2, "x.unknown"), "application/octet-stream", "neither");
	is(ig_api_sniff_mime_type((const uint8_t *) "", 0, "x"), "application/octet-stream", "nothing");
}

/* A login's token tells when it expires. */
static void
test_jwt(void)
{
	ok(ig_api_jwt_expiry("eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE4MDAwMDAwMDB9.x") == 1800000000, "the end of a token");
	ok(ig_api_jwt_expiry("eyJhbGciOiJIUzI1NiJ9.e30.x") == -1, "a token that does not tell");
	ok(ig_api_jwt_expiry("rubbish") == -1 && ig_api_jwt_expiry("a.!.b") == -1 && ig_api_jwt_expiry("") == -1, "what is no token");
	ok(ig_api_valid_app_id("appId_" UUID) && !ig_api_valid_app_id("appId_x") && !ig_api_valid_app_id(NULL), "ids of applications");
	ok(ig_api_known_environment("STAGING") && !ig_api_known_environment("staging"), "environments");
}

/* What is given to an operation is checked field by field. */
static void
test_fields(void)
{
	static const char *const bad[] = {
		"[]", "{", "{\"name\":\"x\"}", "{\"email\":\"ann\"}", "{\"email\":7}", "{\"firstName\":\"\"}",
		"{\"birthDate\":\"3.2.1980\"}", "{\"signerProfileId\":\"42\"}", "{\"email\":null}"
	};
	static const char *const bad_paths[] = {
		"v4", "//x", "/v4/../x", "/v4/..", "/..?x=1", "/v4/./x", "/v4/%2e%2E/x", "/v4/.%2e", "/v4/%2E", "/a b", "/a#b",
		"/a\\\\b", "/a<b", "/a|b", "/{appId", "/{app/Id}", "/a}b", "/\303\251"
	};
	const IgApiDocument file = {"a \"b\".pdf", "application/pdf", NULL, 10};
	IgApiArgs	args = {
		.app_id = "appId_" UUID, .app_env = "DEVELOPMENT", .document_id = ID, .signature_request_id = ID,
		.documents = &file, .ndocuments = 1, .boundary = "B"
	};
	IgApiRequest request;
	IgOperation op;

	ok(ig_api_check(IG_OP_CREATE_SIGNER, "{\"email\":\"ann@example.com\",\"birthDate\":\"1980-02-03\"}", error), "good fields");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!ig_api_check(IG_OP_CREATE_SIGNER, bad[i], error), bad[i]);
	ok(!ig_api_check(IG_OP_INIT_DOCUMENT, "{}", error) && strstr(error, "signatureRequestId"), "what is required is named");
	ok(ig_api_check_known(IG_OP_INIT_DOCUMENT, "{}", error), "unless it comes later");

	args.values = "{\"title\":\"T\",\"statements\":\"[{\\\"n\\\":1.50}]\"}";
	ok(ig_api_build(IG_OP_UPDATE_REQUEST, &args, &request, error), "update-request is built");
	is(request.method, "PUT", "its method");
	is(request.text, "{\"title\":\"T\",\"statements\":[{\"n\":1.50}]}", "JSON goes as it is, ids of the path do not");
	ig_api_request_free(&request);

	args.values = NULL;
	ok(ig_api_build(IG_OP_UPLOAD_FILE, &args, &request, error), "upload-file is built");
	is(request.content_type, "multipart/form-data; boundary=B", "its content type");
	is(request.text, "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a %22b%22.pdf\"\r\n"
	   "Content-Type: application/pdf\r\n\r\n\r\n--B--\r\n", "its text");
	ok(request.body_size == (int64_t) strlen(request.text) + 10, "its size");
	ig_api_request_free(&request);

	args.values = "{\"method\":\"DELETE\",\"path\":\"/v4/applications/{appId}/x?y=1\"}";
	ok(ig_api_build(IG_OP_REPEATABLE_CALL, &args, &request, error), "any call is built");
	is(request.path, "/v4/applications/appId_" UUID "/x?y=1", "its path");
	is(request.method, "DELETE", "its method");
	ig_api_request_free(&request);
	for (size_t i = 0; i < sizeof(bad_paths) / sizeof(bad_paths[0]); i++)
	{
		char		values[128];

		snprintf(values, sizeof(values), "{\"method\":\"GET\",\"path\":\"%s\"}", bad_paths[i]);
		ok(!ig_api_check(IG_OP_CALL, values, error) && strstr(error, "path must"), bad_paths[i]);
	}
	ok(ig_api_check(IG_OP_CALL, "{\"method\":\"GET\",\"path\":\"/v4/a..b/.../%2E%2Ex/{appId}?a=/../\"}", error), "dots that lead nowhere");
	ok(ig_api_operation_by_name("revoke-signer", &op) && !ig_api_operation_by_name("sign-all", &op), "operations by name");

	/* Every entry can be built with all that entries may need. */
	for (int i = 0; i < ig_api_operation_count(); i++)
		ok(ig_api_operation_by_name(ig_api_operation_name((IgOperation) i), &op) && (int) op == i, ig_api_operation_name((IgOperation) i));
}

static void
test_json_unescape(void)
{
	static const char *const pairs[][2] = {
		{"", ""},
		{"{\"a\":\"\\u00e9\"}", "{\"a\":\"\xc3\xa9\"}"},
		{"\\u65e5\\u672c", "\xe6\x97\xa5\xe6\x9c\xac"},
		{"\\ud83d\\ude00!", "\xf0\x9f\x98\x80!"},
		{"\\uD83Dx", "\xef\xbf\xbdx"},
		{"\\ude00", "\xef\xbf\xbd"},
		{"\\u0041\\u001f\\n", "\\u0041\\u001f\\n"},
		{"\\\\u00e9", "\\\\u00e9"},
		{"\\\\\\u00e9", "\\\\\xc3\xa9"},
		{"\\u00", "\\u00"},
		{"\\", "\\"},
		{"12345678901234567890", "12345678901234567890"}
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
	{
		char		text[64];

		snprintf(text, sizeof(text), "%s", pairs[i][0]);
		ig_api_json_unescape(text);
		is(text, pairs[i][1], "escapes of JSON");
	}
}

/* Each operation whose response is read has one among the kept inputs of the fuzz targets. */
static void
test_kept_responses(void)
{
	for (int i = 0; i < ig_api_operation_count(); i++)
	{
		const char *name = ig_api_operation_name((IgOperation) i);
		char		path[128];
		char		text[4096] = "";
		FILE	   *file;
		size_t		length;
		IgApiResponse response;
		bool		good;

		if (ig_api_entry((IgOperation) i)->read == NULL)
			continue;
		snprintf(path, sizeof(path), "../fuzz/corpus/response/%s", name);
		file = fopen(path, "r");
		length = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
		if (file)
			fclose(file);
		good = strncmp(text, name, strlen(name)) == 0 && text[strlen(name)] == '\n' &&
			ig_api_read((IgOperation) i, text + strlen(name) + 1, length - strlen(name) - 1, &response, error);
		ok(good, path);
		if (good)
			ig_api_response_free(&response);
	}
}

#define APP_AND_ENV "\"appId\":\"a\",\"appEnv\":\"DEVELOPMENT\","

/* Read a text as a webhook message. */
static bool
read_message(const char *text, IgApiMessage *message)
{
	return ig_api_read_message(text, strlen(text), message, error);
}

static void
test_message(void)
{
	IgApiMessage message;
	char		text[1024];

	ok(read_message("{" APP_AND_ENV "\"topic\":\"T\",\"action\":\"Caf\\u00e9\",\"msgNature\":\"ERROR\",\"content\":{\"topic\":1},"
					"\"verificationToken\":\"t\"}", &message), "a message");
	is(message.app_id, "a", "its application");
	is(message.app_env, "DEVELOPMENT", "its environment");
	is(message.topic, "T", "its topic");
	is(message.action, "Caf\xc3\xa9", "its action");
	is(message.nature, "ERROR", "its nature");
	is(message.token, "t", "its token");
	ok(read_message("{" APP_AND_ENV "\"topic\":7,\"action\":\"A\",\"topic\":\"U\",\"verificationToken\":\"t\",\"msgNature\":null}",
					&message), "a member twice, and no nature");
	is(message.topic, "U", "the last one counts");
	is(message.nature, "", "nothing for the nature");
	ok(!read_message("{" APP_AND_ENV "\"topic\":\"T\",\"action\":\"A\",\"verificationToken\":\"t\",\"topic\":7}", &message),
	   "also if it is no string");
	is(error, "its \"topic\" is missing or not a string of at most 512 bytes", "with the reason");
	for (int size = 512; size <= 513; size++)
	{
		snprintf(text, sizeof(text), "{" APP_AND_ENV "\"topic\":\"T\",\"action\":\"A\",\"verificationToken\":\"%0*d\"}", size, 0);
		ok(read_message(text, &message) == (size == 512), "a token of at most 512 bytes");
	}
	ok(!read_message("[]", &message), "an array");
	is(error, "it is not a JSON object", "with the reason");
	ok(!read_message("{\"appId\":\"a\"", &message), "a part of one");
	ok(!read_message("", &message), "nothing");
	ok(!read_message("{" APP_AND_ENV "\"topic\":\"T\",\"action\":\"\",\"verificationToken\":\"t\"}", &message), "an empty action");

	/* Within the limits of responses. */
	for (int depth = 63; depth <= 64; depth++)
	{
		snprintf(text, sizeof(text), "{" APP_AND_ENV "\"topic\":\"T\",\"action\":\"A\",\"verificationToken\":\"t\",\"content\":%.*s1%.*s}",
				 depth, "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
				 depth, "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
		ok(read_message(text, &message) == (depth == 63), "nested at most 64 deep");
	}
	is(error, "it is nested more than 64 deep (ignisign.max_json_depth)", "with the reason");
}

int
main(void)
{
	test_key();
	test_email();
	test_inputs();
	test_build();
	test_read();
	test_limits();
	test_about();
	test_hash();
	test_sniff();
	ok(ig_api_valid_object_id(ID) && !ig_api_valid_object_id("67a1") && !ig_api_valid_object_id(ID "0"), "ids");
	ok(ig_api_status_is_final("COMPLETED") && ig_api_status_is_final("CHILDREN_GENERATED") && !ig_api_status_is_final("IN_PROGRESS") &&
	   !ig_api_status_is_final("SOMETHING_NEW"), "final statuses");
	ok(!ig_api_repeatable(IG_OP_ONE_CALL_SIGN) && ig_api_repeatable(IG_OP_STATUS), "what may be repeated");
	ok(ig_api_not_yet(IG_OP_PROOF, 400, "DOCUMENT_PROOF_NOT_CREATED") &&
	   !ig_api_not_yet(IG_OP_PROOF, 400, "DOCUMENT_PROOF_HAS_BEEN_REMOVED") &&
	   !ig_api_not_yet(IG_OP_CONTEXT, 400, "DOCUMENT_PROOF_NOT_CREATED"), "not yet");
	test_jwt();
	test_fields();
	test_json_unescape();
	test_kept_responses();
	test_message();
	return done_testing();
}
