// SPDX-License-Identifier: Apache-2.0
/* What a name server sends: it answers "a.b" or it does not. What does has a whole header, the id and the mark of an
 * answer. */
#include "dns/message.h"
#include "fuzz.h"

static const uint8_t asked[] = {0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 1, 'b', 0, 0, 1, 0, 1};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Question question;
	MessageCode code = MESSAGE_OK;

	if (!question.packet)
		must_hold(question_read(&question, &code, asked, sizeof(asked)) && code == MESSAGE_OK);
	if (message_answers(&code, &question, 0x1234, data, size))
		must_hold(size >= 12 && data[0] == 0x12 && data[1] == 0x34 && data[2] & 0x80 && code <= 15);
	return 0;
}
