// SPDX-License-Identifier: Apache-2.0
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "fetch/unpack/tar_header.h"

enum {
	USTAR_PREFIX = 155,
	STAR_PREFIX = 131,
	CHECKSUM_AT = 148,
	CHECKSUM_LENGTH = 8,
	TRAILER_AT = 508,
	PREFIX_AT = 345
};

#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
static const bool is_fuzzed = true; /* a fuzzer would hardly ever get past a checksum */
#else
static const bool is_fuzzed = false;
#endif

bool tar_header_is_zero(const TarHeader *header)
{
	static const TarHeader zero;

	return memcmp(header, &zero, sizeof zero) == 0;
}

/* Some old writers summed signed characters: either sum will do. */
Error *tar_header_check(const TarHeader *header)
{
	const unsigned char *bytes = (const unsigned char *)header;
	int64_t stated = 0, sum = 0, signed_sum = 0;

	TRY_WRAP(tar_number(&stated, header->checksum, sizeof header->checksum, "checksum"), "not a tar header");
	for (int i = 0; i < TAR_BLOCK_SIZE; i++) {
		bool blank = i >= CHECKSUM_AT && i < CHECKSUM_AT + CHECKSUM_LENGTH;
		sum += blank ? ' ' : bytes[i];
		signed_sum += blank ? ' ' : (signed char)bytes[i];
	}
	if (!is_fuzzed && stated != sum && stated != signed_sum)
		return error_new(ERROR_INVALID, "not a tar header: wrong checksum");
	return NULL;
}

TarDialect tar_header_dialect(const TarHeader *header)
{
	if (memcmp(header->magic, "ustar  ", 8) == 0)
		return DIALECT_GNU;
	if (memcmp(header->magic,
		    "ustar\0"
		    "00",
		    8) != 0)
		return DIALECT_V7;
	return memcmp((const char *)header + TRAILER_AT, "tar", 4) == 0 ? DIALECT_STAR : DIALECT_USTAR;
}

/* Two's complement, the top bit of the first byte being the mark, the next one the sign. */
static fallible read_base256(int64_t *ret, const unsigned char *field, size_t length, const char *what)
{
	bool negative = field[0] & 0x40;
	uint64_t value = negative ? UINT64_MAX : 0;

	for (size_t i = 0; i < length; i++) {
		unsigned char byte = i == 0 ? (unsigned char)(negative ? field[0] : field[0] & 0x7f) : field[i];
		if (value >> 55 != (negative ? 0x1ff : 0))
			return error_new(ERROR_INVALID, "%s is out of range", what);
		value = value << 8 | byte;
	}
	*ret = (int64_t)value;
	return NULL;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\0';
}

Error *tar_number(int64_t *ret, const char *field, size_t length, const char *what)
{
	int64_t value = 0;

	if (length > 0 && field[0] & 0x80)
		return read_base256(ret, (const unsigned char *)field, length, what);
	while (length > 0 && is_blank(field[0]))
		field++, length--;
	while (length > 0 && is_blank(field[length - 1]))
		length--;
	for (size_t i = 0; i < length && field[i] != '\0'; i++) {
		if (field[i] < '0' || field[i] > '7' || value > INT64_MAX >> 3)
			return error_new(ERROR_INVALID, "%s is not a number", what);
		value = value << 3 | (field[i] - '0');
	}
	*ret = value;
	return NULL;
}

static int prefix_length(TarDialect dialect)
{
	switch (dialect) {
	case DIALECT_USTAR:
		return USTAR_PREFIX;
	case DIALECT_STAR:
		return STAR_PREFIX;
	default:
		return 0;
	}
}

void tar_header_path(char ret[257], const TarHeader *header)
{
	const char *prefix = (const char *)header + PREFIX_AT;
	int length = prefix_length(tar_header_dialect(header));

	if (length > 0 && *prefix)
		snprintf(ret, 257, "%.*s/%.*s", length, prefix, (int)sizeof header->name, header->name);
	else
		snprintf(ret, 257, "%.*s", (int)sizeof header->name, header->name);
}
