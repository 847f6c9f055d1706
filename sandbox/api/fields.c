/*-------------------------------------------------------------------------
 *
 * fields.c
 *	  The kinds of fields that bodies are made of, and what is one of them.
 *
 *-------------------------------------------------------------------------
 */
#include "api/fields.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/clock.h"
#include "util/encoding.h"

/* ISO 3166-1 alpha-2. */
static const char countries[] =
"AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS "
"BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE "
"EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM "
"HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC "
"LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA "
"NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW "
"SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO "
"TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

static const char languages[] =
"AR BG BN CS DA DE EL EN ES ET FI FR GA HE HI HR HU IS IT JA KO LT LV MT NL NO PL PT RO RU SK SL "
"SQ SR SV TR UK ZH";

static const char methods[] = "SIMPLE_STD ADVANCED_SMS ADVANCED_STD QUALIFIED_STD";
static const char environments[] = "DEVELOPMENT STAGING PRODUCTION";
static const char diffusion_modes[] = "WHEN_READY SCHEDULED";
static const char topics[] =
"APP SIGNATURE SIGNATURE_REQUEST SIGNER SIGNATURE_PROFILE SIGNATURE_SESSION SIGNATURE_PROOF "
"SIGNATURE_SIGNER_IMAGE ID_PROOFING SIGNER_AUTH ALL";

/* Whether a text is one of the words. */
static bool
is_word(const char *words, const char *text)
{
	size_t		length = strlen(text);

	for (const char *word = words; length > 0 && word != NULL; word = strchr(word, ' '))
	{
		word += *word == ' ';
		if (strncmp(word, text, length) == 0 && (word[length] == ' ' || word[length] == '\0'))
			return true;
	}
	return false;
}

bool
sb_is_environment(const char *text)
{
	return is_word(environments, text);
}

bool
sb_is_topic(const char *text)
{
	return is_word(topics, text);
}

/* Whether the text is like an e-mail address. */
bool
sb_is_email(const char *text)
{
	const char *at = strchr(text, '@');

	return at != NULL && at != text && strchr(at + 1, '@') == NULL && strchr(at + 1, '.') > at + 1 &&
		text[strlen(text) - 1] != '.' && strpbrk(text, " \t\r\n,;<>()") == NULL;
}

/* Read a date or time of ISO 8601 in ms; without an offset it is UTC. */
bool
sb_read_time(const char *text, int64_t *ms)
{
	struct tm	tm = {0};
	struct tm	read;
	const char *end;
	int			fraction = 0;
	int			offset = 0;

	if (strspn(text, "0123456789-") < 10 || (end = strptime(text, "%Y-%m-%d", &tm)) != text + 10)
		return false;
	if (*end == 'T')
	{
		const char *time = end + 1;

		if (strspn(time, "0123456789:") < 8 || (end = strptime(time, "%H:%M:%S", &tm)) != time + 8)
			return false;
		if (*end == '.')
		{
			int			scale = 100;

			if (!isdigit((unsigned char) *++end))
				return false;
			for (; isdigit((unsigned char) *end); end++, scale /= 10)
				fraction += (*end - '0') * scale;
		}
		if (*end == 'Z')
			end++;
		else if ((*end == '+' || *end == '-') && strlen(end) == 6 && end[3] == ':' &&
				 isdigit((unsigned char) end[1]) && isdigit((unsigned char) end[2]) &&
				 isdigit((unsigned char) end[4]) && isdigit((unsigned char) end[5]))
		{
			offset = (atoi(end + 1) * 60 + atoi(end + 4)) * (*end == '-' ? -1 : 1);
			end += 6;
		}
	}
	read = tm;
	*ms = ((int64_t) timegm(&tm) - offset * 60) * 1000 + fraction;

	/* February 30 would have become another day. */
	return *end == '\0' && read.tm_mday == tm.tm_mday && read.tm_mon == tm.tm_mon;
}

/* Whether a text is a SHA-256 in base64 or hex. */
static bool
is_hash(const char *text)
{
	size_t		size = 0;
	uint8_t    *bytes;

	if (strlen(text) == 64)
		return strspn(text, "0123456789abcdefABCDEF") == 64;
	bytes = strlen(text) == 44 ? sb_from_base64(text, 44, &size) : NULL;
	free(bytes);
	return size == 32;
}

/* Whether a text is a URL with a host. */
static bool
is_url(const char *text)
{
	const char *host = strncmp(text, "http://", 7) == 0 ? text + 7 : strncmp(text, "https://", 8) == 0 ? text + 8 : "";

	return (isalnum((unsigned char) *host) || *host == '[') && strpbrk(text, " \t\r\n\"<>\\") == NULL;
}

/* Whether a text has at least one and at most so many characters. */
static bool
has_length(const char *text, size_t max)
{
	size_t		length = 0;

	for (const char *c = text; *c; c++)
		length += (*c & 0xC0) != 0x80;
	return length >= 1 && length <= max;
}

/* Whether a string is of a kind. */
static bool
text_is(char kind, const char *text)
{
	int64_t		ms;

	switch (kind)
	{
		case 't':
			return has_length(text, 1024);
		case 'x':
			return has_length(text, 4096);
		case 'w':
			return has_length(text, 512);
		case 'i':
			return sb_is_id(text);
		case 'e':
			return sb_is_email(text);
		case 'd':
			return sb_read_time(text, &ms);
		case 'h':
			return is_hash(text);
		case 'c':
			return is_word(countries, text);
		case 'l':
			return is_word(languages, text);
		case 'p':
			return text[0] == '+' && strlen(text) >= 8 && strlen(text) <= 16 && text[1] != '0' &&
				strspn(text + 1, "0123456789") == strlen(text) - 1;
		case 'u':
			return is_url(text);
		case 'm':
			return is_word(methods, text);
		case 'v':
			return is_word(environments, text);
		case 'f':
			return is_word(diffusion_modes, text);
		case 'q':
			return is_word(topics, text);
		default:
			return *text != '\0';
	}
}

/* Whether an array has no text twice. */
static bool
all_different(const cJSON *array)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, array)
	{
		for (const cJSON *other = item->next; other != NULL; other = other->next)
		{
			if (strcmp(item->valuestring, other->valuestring) == 0)
				return false;
		}
	}
	return true;
}

/* Whether a value is of a kind: see Field. */
bool
sb_value_is(char kind, const cJSON *value)
{
	const cJSON *item;

	if (kind == '*')
		return true;
	if (kind == 'b')
		return cJSON_IsBool(value);
	if (kind == 'a')
		return cJSON_IsArray(value);
	if (kind == 'o')
		return cJSON_IsObject(value);
	if (!isupper((unsigned char) kind))
		return cJSON_IsString(value) && text_is(kind, value->valuestring);
	if (!cJSON_IsArray(value))
		return false;
	cJSON_ArrayForEach(item, value)
	{
		if (!cJSON_IsString(item) || !text_is((char) tolower((unsigned char) kind), item->valuestring))
			return false;
	}
	return all_different(value);
}
