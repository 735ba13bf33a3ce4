// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/strings.h"

enum { SECONDS_PER_DAY = 86400 };

static const char never[] = "0001-01-01T00:00:00Z";

static int64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * NANOS_PER_SECOND + now.tv_nsec;
}

int64_t clock_monotonic_ns(void)
{
	return now_ns(CLOCK_BOOTTIME);
}

int64_t clock_wall_ns(void)
{
	return now_ns(CLOCK_REALTIME);
}

/* ---- RFC 3339 ---- */

/* Days since 1970 of a date of the Gregorian calendar; years are counted from March, so that the leap day is the last.
 */
static int64_t days_of_date(int64_t year, int month, int day)
{
	year -= month <= 2;
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t year_of_era = year - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static void date_of_days(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t day_of_era = days - era * 146097;
	int64_t year = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
	int64_t month = (5 * day_of_year + 2) / 153;

	*ret_day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
	*ret_month = (int)(month < 10 ? month + 3 : month - 9);
	*ret_year = (int)(year + era * 400 + (*ret_month <= 2));
}

/* snprintf(3) would take as long as all else of a time. */
static char *put_number(char *at, int number, int digits, char behind)
{
	for (int i = digits; i-- > 0; number /= 10)
		at[i] = (char)('0' + number % 10);
	at[digits] = behind;
	return at + digits + 1;
}

static void put_time(char *at, int second_of_day, int nanos)
{
	at = put_number(at, second_of_day / 3600, 2, ':');
	at = put_number(at, second_of_day / 60 % 60, 2, ':');
	at = put_number(at, second_of_day % 60, 2, '.');
	*put_number(at, nanos, 9, 'Z') = '\0';
}

void clock_format(char ret[CLOCK_TEXT_MAX], int64_t wall_ns)
{
	int year, month, day;
	char *at = ret;

	if (!wall_ns) {
		memcpy(ret, never, sizeof(never));
		return;
	}
	int64_t rest = wall_ns % NANOS_PER_SECOND;
	int64_t seconds = wall_ns / NANOS_PER_SECOND - (rest < 0);
	int64_t days = seconds / SECONDS_PER_DAY - (seconds % SECONDS_PER_DAY < 0);
	int second_of_day = (int)(seconds - days * SECONDS_PER_DAY);
	date_of_days(days, &year, &month, &day);
	at = put_number(at, year, 4, '-'); /* int64_t ends in 2262 */
	at = put_number(at, month, 2, '-');
	at = put_number(at, day, 2, 'T');
	put_time(at, second_of_day, (int)(rest < 0 ? rest + NANOS_PER_SECOND : rest));
}

/* Reads exactly `digits` digits and, if it is not NUL, the character behind them. */
static bool read_part(int *ret, const char **at, int digits, char behind)
{
	*ret = 0;
	for (int i = 0; i < digits; i++, (*at)++) {
		if (**at < '0' || **at > '9')
			return false;
		*ret = *ret * 10 + (**at - '0');
	}
	return !behind || *(*at)++ == behind;
}

static int days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && is_leap);
}

static bool read_date(int64_t *ret_days, const char **at)
{
	int year, month, day;

	if (!read_part(&year, at, 4, '-') || !read_part(&month, at, 2, '-') || !read_part(&day, at, 2, '\0'))
		return false;
	if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
		return false;
	*ret_days = days_of_date(year, month, day);
	return true;
}

/* ".123456789"; digits beyond the ninth are dropped. */
static bool read_nanos(int64_t *ret, const char **at)
{
	int64_t scale = NANOS_PER_SECOND;

	*ret = 0;
	if (**at != '.')
		return true;
	for ((*at)++; **at >= '0' && **at <= '9'; (*at)++) {
		scale /= 10;
		*ret += (**at - '0') * scale;
	}
	return (*at)[-1] != '.';
}

static bool read_time(int64_t *ret_seconds, int64_t *ret_nanos, const char **at)
{
	int hour, minute, second;

	if (!read_part(&hour, at, 2, ':') || !read_part(&minute, at, 2, ':') || !read_part(&second, at, 2, '\0'))
		return false;
	*ret_seconds = hour * 3600 + minute * 60 + second;
	return hour < 24 && minute < 60 && second <= 60 && read_nanos(ret_nanos, at);
}

/* "Z" or "+01:00": what is to be subtracted from the time. */
static bool read_zone(int64_t *ret_seconds, const char **at)
{
	int hour, minute;
	char sign = *(*at)++;

	*ret_seconds = 0;
	if (sign == 'Z' || sign == 'z')
		return true;
	if ((sign != '+' && sign != '-') || !read_part(&hour, at, 2, ':') || !read_part(&minute, at, 2, '\0'))
		return false;
	*ret_seconds = (sign == '-' ? -1 : 1) * (hour * 3600 + minute * 60);
	return hour < 24 && minute < 60;
}

static fallible not_a_time(const char *text)
{
	return error_new(ERROR_INVALID, "\"%s\" is not a time such as 2026-11-22T16:25:00Z", text);
}

static fallible make_wall(int64_t *ret, int64_t seconds, int64_t nanos, const char *text)
{
	int64_t wall;

	if (__builtin_mul_overflow(seconds, NANOS_PER_SECOND, &wall) || __builtin_add_overflow(wall, nanos, &wall))
		return error_new(ERROR_INVALID, "time \"%s\" is out of range", text);
	*ret = wall;
	return NULL;
}

Error *clock_parse(int64_t *ret_wall_ns, const char *rfc3339)
{
	const char *at = rfc3339;
	int64_t days, seconds, nanos, zone;

	if (string_equal(rfc3339, never)) {
		*ret_wall_ns = 0;
		return NULL;
	}
	if (!read_date(&days, &at) || (*at != 'T' && *at != 't') || (at++, !read_time(&seconds, &nanos, &at)) ||
		!read_zone(&zone, &at) || *at)
		return not_a_time(rfc3339);
	return make_wall(ret_wall_ns, days * SECONDS_PER_DAY + seconds - zone, nanos, rfc3339);
}

static fallible parse_unix(int64_t *ret, const char *text)
{
	const char *at = text + strspn(text, "0123456789");
	autofree char *whole = mem_strndup(text, (size_t)(at - text));
	int64_t seconds, nanos;

	TRY_WRAP(string_to_int64(&seconds, whole, 0, INT64_MAX / NANOS_PER_SECOND - 1), "time \"%s\"", text);
	if (!read_nanos(&nanos, &at) || *at)
		return not_a_time(text);
	return make_wall(ret, seconds, nanos, text);
}

/* A date without time, or a time without zone, is UTC: a device's zone is nobody's business but its user's. */
static fallible parse_date_or_time(int64_t *ret, const char *text)
{
	bool is_date = !strpbrk(text, "Tt");
	bool has_zone = !is_date && strpbrk(text + 10, "Zz+-");
	autofree char *full = string_printf("%s%s%s", text, is_date ? "T00:00:00" : "", has_zone ? "" : "Z");

	return clock_parse(ret, full);
}

Error *clock_parse_point(int64_t *ret_wall_ns, const char *text)
{
	int64_t before;

	if (*text && !text[strspn(text, "0123456789.")])
		return parse_unix(ret_wall_ns, text);
	if (strlen(text) >= 10 && text[4] == '-')
		return parse_date_or_time(ret_wall_ns, text);
	Error *error = clock_parse_duration(&before, text);
	if (error) {
		error_free(error); /* a message about times and durations says more */
		return error_new(ERROR_INVALID,
			"\"%s\" is not a point in time such as 1700000000, 2026-11-22T16:25:00Z or 10m", text);
	}
	*ret_wall_ns = clock_wall_ns() - before;
	return NULL;
}

/* ---- durations ---- */

typedef struct Unit {
	const char *name;
	int64_t ns;
} Unit;

static const Unit units[] = {
	{"h", 3600 * NANOS_PER_SECOND},
	{"ms", NANOS_PER_MILLI},
	{"m", 60 * NANOS_PER_SECOND},
	{"s", NANOS_PER_SECOND},
	{"us", 1000},
	{"\u00b5s", 1000},
	{"\u03bcs", 1000},
	{"ns", 1},
};

static const Unit *read_unit(const char **at)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (string_starts(*at, units[i].name)) {
			*at += strlen(units[i].name);
			return &units[i];
		}
	return NULL;
}

/* One "1.5h" of a duration, added to *total. */
static bool read_duration_part(int64_t *total, const char **at)
{
	int64_t whole = 0;
	double fraction = 0, scale = 1;
	const char *start = *at;

	for (; **at >= '0' && **at <= '9'; (*at)++)
		if (__builtin_mul_overflow(whole, 10, &whole) || __builtin_add_overflow(whole, **at - '0', &whole))
			return false;
	bool has_digits = *at > start;
	if (**at == '.')
		for ((*at)++; **at >= '0' && **at <= '9'; (*at)++, has_digits = true)
			fraction += (**at - '0') * (scale /= 10);
	const Unit *unit = has_digits ? read_unit(at) : NULL;
	return unit && !__builtin_mul_overflow(whole, unit->ns, &whole) &&
	       !__builtin_add_overflow(*total, whole, total) &&
	       !__builtin_add_overflow(*total, (int64_t)(fraction * (double)unit->ns + 0.5), total);
}

Error *clock_parse_duration(int64_t *ret_ns, const char *text)
{
	const char *at = text + (*text == '-' || *text == '+');
	int64_t total = 0;
	bool is_zero = string_equal(at, "0");

	do {
		if (!is_zero && !read_duration_part(&total, &at))
			return error_new(ERROR_INVALID, "\"%s\" is not a duration such as 1m30s or 100ms", text);
	} while (!is_zero && *at);
	*ret_ns = *text == '-' ? -total : total;
	return NULL;
}

/* Puts "12.5ms": ns in the given unit, with as many decimals as are needed. */
static size_t put_decimal(char *ret, size_t size, int64_t ns, const Unit *unit)
{
	char digits[16] = "";
	int64_t rest = ns % unit->ns;
	int count = 0;

	for (int64_t scale = unit->ns / 10; rest; scale /= 10) {
		digits[count++] = (char)('0' + rest / scale);
		rest %= scale;
	}
	return (size_t)snprintf(
		ret, size, "%lld%s%s%s", (long long)(ns / unit->ns), count ? "." : "", digits, unit->name);
}

void clock_format_duration(char ret[CLOCK_TEXT_MAX], int64_t ns)
{
	static const Unit hour = {"h", 3600 * NANOS_PER_SECOND}, minute = {"m", 60 * NANOS_PER_SECOND};
	static const Unit second = {"s", NANOS_PER_SECOND}, milli = {"ms", NANOS_PER_MILLI}, micro = {"us", 1000},
			  nano = {"ns", 1};
	size_t used = 0;

	if (ns < 0) {
		ret[used++] = '-';
		ns = ns == INT64_MIN ? INT64_MAX : -ns;
	}
	if (ns < NANOS_PER_SECOND && ns) {
		put_decimal(ret + used, CLOCK_TEXT_MAX - used, ns,
			ns >= milli.ns   ? &milli
			: ns >= micro.ns ? &micro
					 : &nano);
		return;
	}
	if (ns >= hour.ns)
		used += put_decimal(ret + used, CLOCK_TEXT_MAX - used, ns - ns % hour.ns, &hour);
	if (ns % hour.ns >= minute.ns)
		used += put_decimal(ret + used, CLOCK_TEXT_MAX - used, ns % hour.ns - ns % minute.ns, &minute);
	if (ns % minute.ns || !ns)
		put_decimal(ret + used, CLOCK_TEXT_MAX - used, ns % minute.ns, &second);
}

/* ---- ages ---- */

static void put_count(char *ret, int64_t count, const char *unit)
{
	snprintf(ret, CLOCK_TEXT_MAX, "%lld %s", (long long)count, unit);
}

/* The steps and the rounding are those of docker/go-units, HumanDuration(). */
void clock_format_age(char ret[CLOCK_TEXT_MAX], int64_t ns)
{
	int64_t seconds = ns / NANOS_PER_SECOND, minutes = seconds / 60, hours = (seconds + 1800) / 3600;

	if (seconds < 1)
		snprintf(ret, CLOCK_TEXT_MAX, "Less than a second");
	else if (seconds == 1)
		snprintf(ret, CLOCK_TEXT_MAX, "1 second");
	else if (seconds < 60)
		put_count(ret, seconds, "seconds");
	else if (minutes == 1)
		snprintf(ret, CLOCK_TEXT_MAX, "About a minute");
	else if (minutes < 60)
		put_count(ret, minutes, "minutes");
	else if (hours == 1)
		snprintf(ret, CLOCK_TEXT_MAX, "About an hour");
	else if (hours < 48)
		put_count(ret, hours, "hours");
	else if (hours < 24 * 7 * 2)
		put_count(ret, hours / 24, "days");
	else if (hours < 24 * 30 * 2)
		put_count(ret, hours / 24 / 7, "weeks");
	else if (hours < 24 * 365 * 2)
		put_count(ret, hours / 24 / 30, "months");
	else
		put_count(ret, seconds / 3600 / 24 / 365, "years");
}

Error *clock_boot_id(char ret[37])
{
	static const char path[] = "/proc/sys/kernel/random/boot_id";
	autofree char *text = NULL;
	size_t length;

	TRY(file_read(&text, &length, AT_FDCWD, path, 64));
	if (length < 36)
		return error_new(ERROR_INTERNAL, "\"%s\" holds no boot id", path);
	memcpy(ret, text, 36);
	ret[36] = '\0';
	return NULL;
}
