/*-------------------------------------------------------------------------
 *
 * json.h
 *	  JSON: its grammar, and members of objects.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_JSON_H
#define SB_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

extern bool sb_valid_json(const char *text, size_t length);
extern const char *sb_get_text(const cJSON *object, const char *name);
extern void sb_add_text(cJSON *json, const char *name, const char *text);
extern void sb_add_time(cJSON *json, const char *name, int64_t time);

#endif							/* SB_JSON_H */
