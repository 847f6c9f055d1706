/*-------------------------------------------------------------------------
 *
 * assets.c
 *	  What the pages for people load: files of this folder, put into the program
 *	  by the assembler.
 *
 *-------------------------------------------------------------------------
 */
#include "pages/assets.h"

#include <string.h>

#include "http/call.h"
#include "http/response.h"
#include "pages/html.h"
#include "util/buffer.h"

#define EMBED(name, file) \
	__asm__(".section .rodata\n" \
			".global " #name ", " #name "_end\n" \
			#name ":\n" \
			".incbin \"" file "\"\n" \
			#name "_end:\n" \
			".byte 0\n" \
			".previous\n")

EMBED(sb_style_css, "pages/style.css");
EMBED(sb_console_js, "pages/console.js");
EMBED(sb_icon_svg, "pages/icon.svg");

extern const char sb_style_css[],
			sb_style_css_end[],
			sb_console_js[],
			sb_console_js_end[],
			sb_icon_svg[],
			sb_icon_svg_end[];

static const struct
{
	const char *path;
	const char *type;
	const char *data;
	const char *end;
}			assets[] = {
	{"/page/style.css", "text/css; charset=utf-8", sb_style_css, sb_style_css_end},
	{"/page/console.js", "text/javascript; charset=utf-8", sb_console_js, sb_console_js_end},
	{"/page/icon.svg", "image/svg+xml", sb_icon_svg, sb_icon_svg_end}
};

/* GET or HEAD /page/... */
void
sb_respond_asset(SbCall *call, SbResponse *response)
{
	for (size_t i = 0; i < sizeof(assets) / sizeof(assets[0]); i++)
	{
		if (strcmp(call->path, assets[i].path) != 0)
			continue;
		if (strcmp(call->method, "GET") != 0 && strcmp(call->method, "HEAD") != 0)
			break;
		response->status = 200;
		response->content_type = assets[i].type;
		sb_buffer_add(&response->body, assets[i].data, (size_t) (assets[i].end - assets[i].data));
		sb_response_header(response, "X-Content-Type-Options", "nosniff");
		sb_response_header(response, "Cache-Control", "max-age=60");
		return;
	}
	sb_respond_notice(response, 404, "There is no such file", "Nothing of the pages has this name.");
}
