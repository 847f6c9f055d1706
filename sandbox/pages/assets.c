/*-------------------------------------------------------------------------
 *
 * assets.c
 *	  What the pages for people load: files of this folder, put into the program
 *	  by the assembler.
 *
 *-------------------------------------------------------------------------
 */
#include "pages/html.h"

#include <string.h>

#define EMBED(name, file) \
	__asm__(".section .rodata\n" \
			".global " #name ", " #name "_end\n" \
			#name ":\n" \
			".incbin \"" file "\"\n" \
			#name "_end:\n" \
			".byte 0\n" \
			".previous\n")

EMBED(style_css, "pages/style.css");
EMBED(console_js, "pages/console.js");
EMBED(icon_svg, "pages/icon.svg");

extern const char style_css[],
			style_css_end[],
			console_js[],
			console_js_end[],
			icon_svg[],
			icon_svg_end[];

static const struct
{
	const char *path;
	const char *type;
	const char *data;
	const char *end;
}			assets[] = {
	{"/page/style.css", "text/css; charset=utf-8", style_css, style_css_end},
	{"/page/console.js", "text/javascript; charset=utf-8", console_js, console_js_end},
	{"/page/icon.svg", "image/svg+xml", icon_svg, icon_svg_end}
};

/* GET or HEAD /page/... */
void
answer_asset(Call *call, Answer *answer)
{
	for (size_t i = 0; i < sizeof(assets) / sizeof(assets[0]); i++)
	{
		if (strcmp(call->path, assets[i].path) != 0)
			continue;
		if (strcmp(call->method, "GET") != 0 && strcmp(call->method, "HEAD") != 0)
			break;
		answer->status = 200;
		answer->content_type = assets[i].type;
		buffer_add(&answer->body, assets[i].data, (size_t) (assets[i].end - assets[i].data));
		answer_header(answer, "X-Content-Type-Options", "nosniff");
		answer_header(answer, "Cache-Control", "max-age=60");
		return;
	}
	answer_notice(answer, 404, "There is no such file", "Nothing of the pages has this name.");
}
