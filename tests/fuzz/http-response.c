// SPDX-License-Identifier: Apache-2.0
/* However a response is cut into pieces, it reads the same. */
#include "http/response.h"

#include <string.h>

#include "fuzz.h"

/* Where reading ends: complete or refused or out of bytes. */
static Error *read_in(HttpResponse *response, const uint8_t *data, size_t size, size_t step, Buffer *body)
{
	for (size_t at = 0; at < size;) {
		size_t piece = size - at < step ? size - at : step, used = 0;
		TRY(http_response_feed(response, (const char *)data + at, piece, &used, body));
		must_hold(used == piece || response->phase == HTTP_RESPONSE_COMPLETE);
		at += piece;
	}
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoclear(HttpResponse) whole, single;
	autoclear(Buffer) whole_body = {0}, single_body = {0};

	http_response_init(&whole, false);
	http_response_init(&single, false);
	Error *one = read_in(&whole, data, size, size, &whole_body);
	Error *other = read_in(&single, data, size, 1, &single_body);
	must_hold(!one == !other);
	if (!one) {
		must_hold(whole.phase == single.phase && whole.status == single.status);
		must_hold(whole_body.length == single_body.length);
		must_hold(!whole_body.length || !memcmp(whole_body.data, single_body.data, whole_body.length));
		must_hold(whole.headers.count <= HTTP_RESPONSE_HEADERS_MAX);
	}
	error_free(one);
	error_free(other);
	return 0;
}
