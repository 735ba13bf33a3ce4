// SPDX-License-Identifier: Apache-2.0
/*
 * The seccomp program against libseccomp's for the same profile: both are run here, in an interpreter, for every
 * number of every ABI. Then against the kernel, and the cache's files.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/memory.h"
#include "bpf.h"
#include "runtime/capability.h"
#include "runtime/seccomp_profile.h"
#include "runtime/seccomp_program.h"
#include "json/value.h"
/* after <seccomp.h> of the library */
#include "runtime/seccomp.h"

enum { NUMBERS = 600, X32_BIT = 0x40000000 };

#define REFUSED (SECCOMP_RET_ERRNO | EPERM)
#define NO_SYSCALL (SECCOMP_RET_ERRNO | ENOSYS)

/* ---- the same profile through libseccomp ---- */

static struct scmp_arg_cmp compare_with(const SeccompComparison *comparison)
{
	static const enum scmp_compare operators[] = {
		[SECCOMP_EQUAL] = SCMP_CMP_EQ,
		[SECCOMP_LESS] = SCMP_CMP_LT,
		[SECCOMP_GREATER] = SCMP_CMP_GT,
		[SECCOMP_NO_BITS] = SCMP_CMP_MASKED_EQ,
	};

	return (struct scmp_arg_cmp){.arg = comparison->argument,
		.op = operators[comparison->test],
		.datum_a = comparison->value,
		.datum_b = 0};
}

static void add_rules(scmp_filter_ctx context, int number, SeccompVerdict verdict)
{
	if (verdict == SECCOMP_ALLOW)
		assert_int_equal(seccomp_rule_add(context, SCMP_ACT_ALLOW, number, 0), 0);
	if (verdict == SECCOMP_NO_SYSCALL)
		assert_int_equal(seccomp_rule_add(context, SCMP_ACT_ERRNO(ENOSYS), number, 0), 0);
	for (size_t i = 0; i < seccomp_comparison_count; i++) {
		struct scmp_arg_cmp comparison = compare_with(&seccomp_comparisons[i]);
		if (seccomp_comparisons[i].verdict == verdict)
			assert_int_equal(seccomp_rule_add_array(context, SCMP_ACT_ALLOW, number, 1, &comparison), 0);
	}
}

static void add_group(scmp_filter_ctx context, const SeccompGroup *group)
{
	autoclear(StringList) names = {0};

	strings_split(&names, group->names, ' ');
	for (size_t i = 0; i < names.count; i++) {
		int number = seccomp_syscall_resolve_name(names.items[i]);
		if (number != __NR_SCMP_ERROR)
			add_rules(context, number, group->verdict);
	}
}

static void compile_with_library(Filter *ret, uint64_t capabilities)
{
	scmp_filter_ctx context = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	autofd fd = memfd_create("filter", MFD_CLOEXEC);
	size_t size = 0;
	char *text = NULL;

	assert_int_equal(seccomp_arch_add(context, SCMP_ARCH_X86), 0);
	assert_int_equal(seccomp_arch_add(context, SCMP_ARCH_X32), 0);
	for (size_t i = 0; i < seccomp_group_count; i++)
		if (seccomp_group_applies(&seccomp_groups[i], capabilities))
			add_group(context, &seccomp_groups[i]);
	assert_int_equal(seccomp_export_bpf(context, fd), 0);
	seccomp_release(context);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	check_ok(file_read_fd(&text, &size, fd, "filter", 1 << 20));
	ret->items = (struct sock_filter *)text;
	ret->count = size / sizeof(*ret->items);
}

/* ---- comparing ---- */

static const uint64_t capability_sets[] = {
	0,
	UINT64_C(0xa80425fb), /* Docker's 14 */
	~UINT64_C(0),
	CAPABILITY_BIT(CAP_SYS_ADMIN),
	CAPABILITY_BIT(CAP_BPF) | CAPABILITY_BIT(CAP_PERFMON) | CAPABILITY_BIT(CAP_SYSLOG),
	CAPABILITY_BIT(CAP_SYS_PTRACE) | CAPABILITY_BIT(CAP_SYS_NICE) | CAPABILITY_BIT(CAP_SYS_TIME),
	CAPABILITY_BIT(CAP_SYS_MODULE) | CAPABILITY_BIT(CAP_SYS_RAWIO) | CAPABILITY_BIT(CAP_SYS_BOOT),
};

/* Around every value that is compared with. */
static const uint64_t argument_samples[] = {0, 1, 8, 9, 16, 37, 38, 39, 40, 41, 0x20000, 0x20008, 0x20009, 0x10000000,
	0x7e020000, 0x80000000, 0x81020000, 0xffffffff, 0xfffffffe};

static const struct {
	uint32_t audit;
	uint32_t abi;
	uint32_t bit;
} abis[] = {
	{AUDIT_ARCH_X86_64, SCMP_ARCH_X86_64, 0},
	{AUDIT_ARCH_X86_64, SCMP_ARCH_X32, X32_BIT},
	{AUDIT_ARCH_I386, SCMP_ARCH_X86, 0},
};

static bool library_knows(uint32_t abi, uint32_t number)
{
	autofree char *name = seccomp_syscall_resolve_num_arch(abi, (int)number);

	return name != NULL;
}

/* A number that libseccomp does not know is refused by its program; ours may know it, or know that nobody does. */
static void compare_number(const Filter *ours, const Filter *library, size_t abi, uint32_t number)
{
	bool known = library_knows(abis[abi].abi, number);

	for (size_t i = 0; i < sizeof(argument_samples) / sizeof(argument_samples[0]); i++) {
		struct seccomp_data data = {.nr = (int)number, .arch = abis[abi].audit};
		data.args[0] = data.args[1] = argument_samples[i];
		uint32_t one = run(ours, &data, NULL), other = run(library, &data, NULL);
		if (known && one != other)
			fail_msg("abi %zu number %u argument %#lx: %#x, libseccomp has %#x", abi, number & ~X32_BIT,
				(unsigned long)argument_samples[i], one, other);
		if (!known)
			assert_int_equal(other, REFUSED);
		if (!known && (number & ~X32_BIT) > seccomp_last_number)
			assert_int_equal(one, NO_SYSCALL);
	}
}

static void test_against_libseccomp(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(capability_sets) / sizeof(capability_sets[0]); i++) {
		autoclear(Filter) ours = {0}, library = {0};
		check_ok(seccomp_program_build(&ours.items, &ours.count, capability_sets[i]));
		compile_with_library(&library, capability_sets[i]);
		for (size_t abi = 0; abi < sizeof(abis) / sizeof(abis[0]); abi++)
			for (uint32_t number = 0; number < NUMBERS; number++)
				compare_number(&ours, &library, abi, number | abis[abi].bit);
	}
}

static uint32_t verdict_of(const Filter *filter, uint32_t audit, uint32_t number, uint64_t argument)
{
	struct seccomp_data data = {.nr = (int)number, .arch = audit, .args = {argument}};

	return run(filter, &data, NULL);
}

static void test_what_libseccomp_does_not_know(void **state)
{
	autoclear(Filter) normal = {0}, admin = {0};

	(void)state;
	check_ok(seccomp_program_build(&normal.items, &normal.count, UINT64_C(0xa80425fb)));
	check_ok(seccomp_program_build(&admin.items, &admin.count, ~UINT64_C(0)));
	for (size_t i = 0; i < sizeof(abis) / sizeof(abis[0]); i++) {
		uint32_t arch = abis[i].audit, bit = abis[i].bit;
		assert_int_equal(verdict_of(&normal, arch, bit | 452, 0), SECCOMP_RET_ALLOW); /* fchmodat2 */
		assert_int_equal(verdict_of(&normal, arch, bit | 466, 0), SECCOMP_RET_ALLOW); /* removexattrat */
		assert_int_equal(verdict_of(&normal, arch, bit | 459, 0), REFUSED);           /* lsm_get_self_attr */
		assert_int_equal(verdict_of(&admin, arch, bit | 459, 0), SECCOMP_RET_ALLOW);
		assert_int_equal(verdict_of(&normal, arch, bit | 467, 0), NO_SYSCALL);
		assert_int_equal(verdict_of(&normal, arch, bit | 425, 0), REFUSED); /* io_uring_setup */
		assert_int_equal(verdict_of(&admin, arch, bit | 426, 0), REFUSED);
		assert_int_equal(verdict_of(&normal, arch, bit | 1000, 0), NO_SYSCALL);
	}
	assert_int_equal(verdict_of(&normal, AUDIT_ARCH_X86_64, 0xffffffff, 0), NO_SYSCALL);
	assert_int_equal(verdict_of(&normal, AUDIT_ARCH_I386, 0xffffffff, 0), NO_SYSCALL);
	assert_int_equal(verdict_of(&normal, AUDIT_ARCH_I386, X32_BIT | 1, 0), NO_SYSCALL);
	assert_int_equal(verdict_of(&normal, AUDIT_ARCH_AARCH64, 1, 0), SECCOMP_RET_KILL_PROCESS);
}

/* The kernel takes an int: what stands above it must not open a door, as it does where all 64 bits are compared. */
static void test_high_halves_do_not_count(void **state)
{
	autoclear(Filter) filter = {0};
	const uint64_t high = UINT64_C(1) << 32;

	(void)state;
	check_ok(seccomp_program_build(&filter.items, &filter.count, 0));
	assert_int_equal(verdict_of(&filter, AUDIT_ARCH_X86_64, SYS_socket, 40), REFUSED);
	assert_int_equal(verdict_of(&filter, AUDIT_ARCH_X86_64, SYS_socket, 40 | high), REFUSED);
	assert_int_equal(verdict_of(&filter, AUDIT_ARCH_X86_64, SYS_socket, 38 | high), REFUSED);
	assert_int_equal(verdict_of(&filter, AUDIT_ARCH_X86_64, SYS_clone, CLONE_NEWUSER | high), REFUSED);
	assert_int_equal(verdict_of(&filter, AUDIT_ARCH_X86_64, SYS_personality, 0x40000 | high), REFUSED);
	assert_int_equal(verdict_of(&filter, AUDIT_ARCH_X86_64, SYS_socket, AF_INET), SECCOMP_RET_ALLOW);
}

/* Few steps for any number: that is what installing and each call cost. */
static void test_size_and_depth(void **state)
{
	autoclear(Filter) filter = {0};
	size_t steps = 0;

	(void)state;
	check_ok(seccomp_program_build(&filter.items, &filter.count, UINT64_C(0xa80425fb)));
	for (size_t i = 0; i < sizeof(abis) / sizeof(abis[0]); i++)
		for (uint32_t number = 0; number < NUMBERS; number++) {
			struct seccomp_data data = {.nr = (int)(number | abis[i].bit), .arch = abis[i].audit};
			run(&filter, &data, &steps);
		}
	print_message("%zu instructions, at most %zu steps\n", filter.count, steps);
	assert_in_range(filter.count, 100, 800);
	assert_in_range(steps, 5, 24);
}

/* ---- the kernel ---- */

static int call_under_filter(const Filter *filter)
{
	struct sock_fprog program = {.len = (unsigned short)filter->count, .filter = filter->items};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		return 1;
	if (getppid() <= 0)
		return 2;
	if (syscall(SYS_mount, 0, 0, 0, 0, 0) != -1 || errno != EPERM)
		return 3;
	if (syscall(SYS_clone3, 0, 0) != -1 || errno != ENOSYS)
		return 4;
	if (syscall(SYS_unshare, CLONE_NEWUSER) != -1 || errno != EPERM)
		return 5;
	if (socket(AF_VSOCK, SOCK_STREAM, 0) != -1 || errno != EPERM)
		return 6;
	if (syscall(1000) != -1 || errno != ENOSYS)
		return 7;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	return fd < 0 ? 8 : 0;
}

static void test_in_the_kernel(void **state)
{
	autoclear(Filter) filter = {0};
	int status = -1;

	(void)state;
	check_ok(seccomp_program_build(&filter.items, &filter.count, UINT64_C(0xa80425fb)));
	pid_t pid = fork();
	if (pid == 0)
		_exit(call_under_filter(&filter));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- the profile ---- */

/* A name in two groups that apply together would be two rules, which runtimes refuse. */
static void test_names_are_unique(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(capability_sets) / sizeof(capability_sets[0]); i++) {
		autoclear(StringList) names = {0};
		for (size_t j = 0; j < seccomp_group_count; j++) {
			autoclear(StringList) more = {0};
			if (seccomp_group_applies(&seccomp_groups[j], capability_sets[i]))
				strings_split(&more, seccomp_groups[j].names, ' ');
			for (size_t k = 0; k < more.count; k++)
				strings_add(&names, more.items[k]);
		}
		size_t count = names.count;
		strings_sort(&names);
		for (size_t j = 1; j < count; j++)
			assert_string_not_equal(names.items[j - 1], names.items[j]);
	}
}

static bool json_allows(const Value *json, const char *name)
{
	const Value *rules = value_get(json, "syscalls");

	for (size_t i = 0; i < value_count(rules); i++) {
		const Value *rule = value_at(rules, i), *names = value_get(rule, "names");
		for (size_t j = 0; j < value_count(names); j++)
			if (string_equal(value_string(value_at(names, j)), name))
				return string_equal(value_string(value_get(rule, "action")), "SCMP_ACT_ALLOW");
	}
	return false;
}

static void test_json(void **state)
{
	autoptr(SeccompCache) cache = NULL;
	autoptr(Value) json = NULL;
	const char *text, *again;

	check_ok(seccomp_cache_open(&cache, *state));
	check_ok(seccomp_filter_json(&text, cache, 0));
	check_ok(value_parse(&json, text, strlen(text)));
	assert_string_equal(value_string(value_get(json, "defaultAction")), "SCMP_ACT_ERRNO");
	assert_int_equal(value_int(value_get(json, "defaultErrnoRet"), 0), EPERM);
	assert_true(json_allows(json, "read"));
	assert_true(json_allows(json, "clone"));
	assert_false(json_allows(json, "clone3"));
	assert_false(json_allows(json, "mount"));
	assert_false(json_allows(json, "io_uring_setup"));
	assert_false(json_allows(json, "keyctl"));
	check_ok(seccomp_filter_json(&again, cache, CAPABILITY_BIT(CAP_CHOWN))); /* makes no difference */
	assert_ptr_equal(text, again);
}

/* ---- the cache ---- */

static char *first_filter(const char *directory, uint64_t capabilities)
{
	autoptr(SeccompCache) cache = NULL;
	const char *text;

	check_ok(seccomp_cache_open(&cache, directory));
	check_ok(seccomp_filter_base64(&text, cache, capabilities));
	return mem_strdup(text);
}

static Error *remember_name(void *arg, int dir, const char *name, unsigned char type)
{
	(void)dir;
	(void)type;
	strings_add(arg, name);
	return NULL;
}

static void damage(const char *path, off_t offset, off_t length)
{
	autofd fd = open(path, O_RDWR);

	assert_true(fd >= 0);
	if (offset >= 0)
		assert_int_equal(pwrite(fd, "?", 1, offset), 1);
	if (length >= 0)
		assert_int_equal(ftruncate(fd, length), 0);
}

static void test_cache_files(void **state)
{
	autofree char *directory = path_join(*state, "a/b"), *fresh = first_filter(directory, 0);
	autoclear(StringList) names = {0};
	static const struct {
		off_t offset, length;
	} damages[] = {{0, -1}, {9, -1}, {17, -1}, {25, -1}, {100, -1}, {-1, 0}, {-1, 31}, {-1, 200}};

	check_ok(dir_each(-1, directory, remember_name, &names));
	assert_int_equal(names.count, 1);
	assert_non_null(strstr(names.items[0], "x86_64"));
	autofree char *path = path_join(directory, names.items[0]);
	struct stat before, after;
	assert_int_equal(stat(path, &before), 0);
	check_text(first_filter(directory, 0), fresh);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino); /* read, not written again */
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		damage(path, damages[i].offset, damages[i].length);
		check_text(first_filter(directory, 0), fresh);
		check_text(first_filter(directory, 0), fresh);
	}
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(after.st_size, before.st_size);
}

/* More sets than the cache keeps in memory: each answer is still the right one. */
static void test_cache_turns_over(void **state)
{
	autoptr(SeccompCache) cache = NULL;
	const char *text;

	check_ok(seccomp_cache_open(&cache, *state));
	for (int round = 0; round < 2; round++)
		for (uint64_t i = 0; i < 64; i++) {
			uint64_t set = (i & 7) << CAP_SYS_MODULE | (i >> 3) << CAP_SYS_PTRACE;
			autofree char *alone = first_filter(*state, set);
			check_ok(seccomp_filter_base64(&text, cache, set));
			assert_string_equal(text, alone);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#if defined(__x86_64__)
		cmocka_unit_test(test_against_libseccomp),
		cmocka_unit_test(test_what_libseccomp_does_not_know),
		cmocka_unit_test(test_high_halves_do_not_count),
		cmocka_unit_test(test_size_and_depth),
#endif
		cmocka_unit_test(test_in_the_kernel),
		cmocka_unit_test(test_names_are_unique),
		directory_test(test_json),
		directory_test(test_cache_files),
		directory_test(test_cache_turns_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
