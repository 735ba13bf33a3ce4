// SPDX-License-Identifier: Apache-2.0
/* The handshake of a websocket: RFC 6455, sections 4.2.1 and 4.2.2. */
#include <nettle/sha1.h>
#include <string.h>
#include <strings.h>

#include "base/base64.h"
#include "http/internal.h"

enum { KEY_SIZE = 16 };

/* Of a header that is a list: "keep-alive, Upgrade". */
static bool has_word(const char *list, const char *word)
{
	autoclear(StringList) words = {0};

	strings_split(&words, list ? list : "", ',');
	for (size_t i = 0; i < words.count; i++)
		if (strcasecmp(string_trim(words.items[i]), word) == 0)
			return true;
	return false;
}

static bool is_key(const char *text)
{
	autoclear(Buffer) key = {0};

	return text && strlen(text) == (KEY_SIZE + 2) / 3 * 4 && base64_decode(&key, text, strlen(text)) &&
	       key.length == KEY_SIZE;
}

fallible websocket_check(HttpRequest *request)
{
	if (request->is_old || !has_word(http_request_header(request, "Upgrade"), "websocket") ||
		!has_word(http_request_header(request, "Connection"), "upgrade"))
		return error_new(ERROR_INVALID, "this is for websockets alone: the headers \"Connection: Upgrade\" and "
						"\"Upgrade: websocket\" of HTTP/1.1 are missing");
	if (!string_equal(http_request_header(request, "Sec-WebSocket-Version"), "13")) {
		http_response_header(request, "Sec-WebSocket-Version", "13");
		return error_new(ERROR_INVALID, "header \"Sec-WebSocket-Version\" must be 13");
	}
	if (!is_key(http_request_header(request, "Sec-WebSocket-Key")))
		return error_new(ERROR_INVALID, "header \"Sec-WebSocket-Key\" must be 16 bytes in base64");
	return NULL;
}

void websocket_accept(Buffer *ret, const char *key)
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	struct sha1_ctx context;
	uint8_t sum[SHA1_DIGEST_SIZE];

	sha1_init(&context);
	sha1_update(&context, strlen(key), (const uint8_t *)key);
	sha1_update(&context, strlen(guid), (const uint8_t *)guid);
	sha1_digest(&context, sizeof(sum), sum);
	base64_encode(ret, sum, sizeof(sum));
}

fallible http_hijack_websocket(
	HttpRequest *request, void (*ready)(void *arg, int fd, const char *early, size_t length), void *arg)
{
	const char *protocol = http_request_header(request, "Sec-WebSocket-Protocol");
	autoclear(Buffer) accept = {0};

	TRY(websocket_check(request));
	websocket_accept(&accept, http_request_header(request, "Sec-WebSocket-Key"));
	http_response_header(request, "Sec-WebSocket-Accept", buffer_text(&accept));
	if (protocol && !strchr(protocol, ',')) /* the only one that is offered is taken, as Docker does */
		http_response_header(request, "Sec-WebSocket-Protocol", protocol);
	answer_hijack(request, "websocket", ready, arg);
	return NULL;
}
