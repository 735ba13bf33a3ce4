// SPDX-License-Identifier: Apache-2.0
#include "shim/input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

void input_init(Input *input, char *memory)
{
	*input = (Input){.fd = -1, .data = memory};
}

void input_expect(Input *input)
{
	input->is_expected = true;
}

void input_open(Input *input, int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	input->fd = fd;
	input->is_expected = false;
	input_flush(input);
}

bool input_holds(const Input *input)
{
	return input->start < input->end;
}

char *input_room(Input *input)
{
	return input->data;
}

void input_put(Input *input, size_t length)
{
	input->start = 0;
	input->end = length;
	input_flush(input);
}

bool input_add(Input *input, const char *data, size_t length)
{
	size_t held = input->end - input->start;

	if (length > INPUT_MEMORY - held)
		return false;
	memmove(input->data, input->data + input->start, held);
	memcpy(input->data + held, data, length);
	input_put(input, held + length);
	return true;
}

void input_flush(Input *input)
{
	while (input->fd >= 0 && input_holds(input)) {
		ssize_t count = write(input->fd, input->data + input->start, input->end - input->start);
		if (count < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (count < 0)
			break; /* nobody reads it any more */
		input->start += (size_t)count;
	}
	if (!input->is_expected && (input->fd < 0 || input_holds(input) || input->is_ending))
		input_close(input);
}

void input_end(Input *input)
{
	input->is_ending = true;
	input_flush(input);
}

void input_close(Input *input)
{
	close_fd(&input->fd);
	input->start = input->end = 0;
	input->is_expected = false;
}

size_t input_tidy(const Input *input)
{
	return input_holds(input) ? input->end : 0;
}
