// SPDX-License-Identifier: Apache-2.0
#include "runtime/seccomp_program.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "base/strings.h"
#include "base/table.h"
#include "runtime/seccomp_profile.h"

enum { X32_BIT = 0x40000000, X32_COUNT = 548, ARM_PRIVATE = 0x0f0000, ARM_PRIVATE_COUNT = 6, PARTS_MAX = 2 };

/* System call numbers [first, first + count) of one ABI. count 0: up to the newest that the profile knows. */
typedef struct Numbers {
	uint32_t abi; /* SCMP_ARCH_* */
	uint32_t first, count;
} Numbers;

/* What the kernel tells apart (AUDIT_ARCH_*), with the ABIs that share it, by rising numbers. */
typedef struct Architecture {
	uint32_t audit;
	Numbers parts[PARTS_MAX];
} Architecture;

static const Architecture architectures[] = {
#if defined(__x86_64__)
	{AUDIT_ARCH_X86_64, {{SCMP_ARCH_X86_64, 0, 0}, {SCMP_ARCH_X32, X32_BIT, X32_COUNT}}},
	{AUDIT_ARCH_I386, {{SCMP_ARCH_X86, 0, 0}}},
#elif defined(__i386__)
	{AUDIT_ARCH_I386, {{SCMP_ARCH_X86, 0, 0}}},
#elif defined(__aarch64__)
	{AUDIT_ARCH_AARCH64, {{SCMP_ARCH_AARCH64, 0, 0}}},
	{AUDIT_ARCH_ARM, {{SCMP_ARCH_ARM, 0, 0}, {SCMP_ARCH_ARM, ARM_PRIVATE, ARM_PRIVATE_COUNT}}},
#elif defined(__arm__)
	{AUDIT_ARCH_ARM, {{SCMP_ARCH_ARM, 0, 0}, {SCMP_ARCH_ARM, ARM_PRIVATE, ARM_PRIVATE_COUNT}}},
#else
#error "the seccomp program does not know this architecture"
#endif
};

/* ---- from names to ranges of numbers ---- */

typedef struct Range {
	uint32_t start; /* up to the next one's */
	SeccompVerdict verdict;
} Range;

typedef struct Ranges {
	Range *items;
	size_t count;
} Ranges;

static void ranges_clear(Ranges *ranges)
{
	free(ranges->items);
	*ranges = (Ranges){0};
}
DEFINE_AUTOCLEAR(Ranges, ranges_clear)

static void add_range(Ranges *ranges, uint32_t start, SeccompVerdict verdict)
{
	if (ranges->count && ranges->items[ranges->count - 1].verdict == verdict)
		return;
	ranges->items = mem_array(ranges->items, ranges->count + 1, sizeof(Range));
	ranges->items[ranges->count++] = (Range){.start = start, .verdict = verdict};
}

/* Values are the verdict itself; REFUSE is NULL, as for names that are not there. */
static void index_group(Table *verdicts, const SeccompGroup *group)
{
	autoclear(StringList) names = {0};

	strings_split(&names, group->names, ' ');
	for (size_t i = 0; i < names.count; i++)
		table_set(verdicts, names.items[i], (void *)(uintptr_t)group->verdict);
}

static Table *index_names(uint64_t capabilities)
{
	Table *verdicts = table_new();

	for (size_t i = 0; i < seccomp_group_count; i++)
		if (seccomp_group_applies(&seccomp_groups[i], capabilities))
			index_group(verdicts, &seccomp_groups[i]);
	return verdicts;
}

static char *find_newcomer(uint32_t abi, uint32_t number)
{
	for (size_t i = 0; i < seccomp_newcomer_count; i++) {
		const SeccompNewcomer *newcomer = &seccomp_newcomers[i];
		if (newcomer->number == number && (!newcomer->only_x86_64 || abi == SCMP_ARCH_X86_64))
			return mem_strdup(newcomer->name);
	}
	return NULL;
}

static SeccompVerdict find_verdict(const Table *verdicts, const Numbers *part, uint32_t number)
{
	uint32_t common = part->abi == SCMP_ARCH_X32 ? number & ~(uint32_t)X32_BIT : number;
	autofree char *name = seccomp_syscall_resolve_num_arch(part->abi, (int)number);

	if (!name)
		name = find_newcomer(part->abi, common);
	if (!name)
		return common > seccomp_last_number ? SECCOMP_NO_SYSCALL : SECCOMP_REFUSE;
	return (SeccompVerdict)(uintptr_t)table_get(verdicts, name);
}

/* Numbers that no part covers are no system calls. */
static void read_ranges(Ranges *ret, const Architecture *architecture, const Table *verdicts)
{
	for (size_t i = 0; i < PARTS_MAX && architecture->parts[i].abi; i++) {
		const Numbers *part = &architecture->parts[i];
		uint32_t count = part->count ? part->count : seccomp_last_number + 1;
		for (uint32_t number = part->first; number < part->first + count; number++)
			add_range(ret, number, find_verdict(verdicts, part, number));
		add_range(ret, part->first + count, SECCOMP_NO_SYSCALL);
	}
}

/* ---- from ranges to instructions ---- */

typedef struct Program {
	struct sock_filter *items;
	size_t count;
} Program;

static void program_clear(Program *program)
{
	free(program->items);
	*program = (Program){0};
}
DEFINE_AUTOCLEAR(Program, program_clear)

static size_t emit(Program *program, uint16_t code, uint32_t k, uint8_t if_true, uint8_t if_false)
{
	program->items = mem_array(program->items, program->count + 1, sizeof(struct sock_filter));
	program->items[program->count] = (struct sock_filter){.code = code, .k = k, .jt = if_true, .jf = if_false};
	return program->count++;
}

static void emit_load(Program *program, size_t offset)
{
	emit(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void emit_return(Program *program, uint32_t action)
{
	emit(program, BPF_RET | BPF_K, action, 0, 0);
}

/* The low half of an argument: all architectures here are little-endian. */
static size_t argument_offset(unsigned argument)
{
	return offsetof(struct seccomp_data, args) + argument * sizeof(uint64_t);
}

static void emit_comparison(Program *program, const SeccompComparison *comparison, uint8_t to_allow)
{
	switch (comparison->test) {
	case SECCOMP_EQUAL:
		emit(program, BPF_JMP | BPF_JEQ | BPF_K, comparison->value, to_allow, 0);
		break;
	case SECCOMP_GREATER:
		emit(program, BPF_JMP | BPF_JGT | BPF_K, comparison->value, to_allow, 0);
		break;
	case SECCOMP_LESS:
		emit(program, BPF_JMP | BPF_JGE | BPF_K, comparison->value, 0, to_allow);
		break;
	case SECCOMP_NO_BITS:
		emit(program, BPF_JMP | BPF_JSET | BPF_K, comparison->value, 0, to_allow);
		break;
	}
}

/* load; compare, ...; refuse; allow */
static void emit_comparisons(Program *program, SeccompVerdict verdict)
{
	const SeccompComparison *chosen[UINT8_MAX];
	size_t count = 0;

	for (size_t i = 0; i < seccomp_comparison_count && count < UINT8_MAX; i++)
		if (seccomp_comparisons[i].verdict == verdict)
			chosen[count++] = &seccomp_comparisons[i];
	if (count)
		emit_load(program, argument_offset(chosen[0]->argument));
	for (size_t i = 0; i < count; i++)
		emit_comparison(program, chosen[i], (uint8_t)(count - i));
	emit_return(program, SECCOMP_RET_ERRNO | EPERM);
	emit_return(program, SECCOMP_RET_ALLOW);
}

static void emit_verdict(Program *program, SeccompVerdict verdict)
{
	if (verdict == SECCOMP_ALLOW)
		emit_return(program, SECCOMP_RET_ALLOW);
	else if (verdict == SECCOMP_REFUSE)
		emit_return(program, SECCOMP_RET_ERRNO | EPERM);
	else if (verdict == SECCOMP_NO_SYSCALL)
		emit_return(program, SECCOMP_RET_ERRNO | ENOSYS);
	else
		emit_comparisons(program, verdict);
}

/* Makes the conditional jump at `jump` go to the end of the program when true, by way of a long jump if it is too far
 * for eight bits. */
static void land(Program *program, size_t jump)
{
	size_t distance = program->count - jump - 1;

	if (distance <= UINT8_MAX) {
		program->items[jump].jt = (uint8_t)distance;
		return;
	}
	emit(program, 0, 0, 0, 0);
	memmove(&program->items[jump + 2], &program->items[jump + 1], distance * sizeof(struct sock_filter));
	program->items[jump + 1] = (struct sock_filter){.code = BPF_JMP | BPF_JA, .k = (uint32_t)distance};
	program->items[jump].jf = 1;
}

/* Binary search; what was emitted before is never jumped back to, so that whole subtrees can be moved. */
static void emit_search(Program *program, const Range *ranges, size_t count)
{
	size_t half = count / 2;

	if (count == 1) {
		emit_verdict(program, ranges[0].verdict);
		return;
	}
	size_t jump = emit(program, BPF_JMP | BPF_JGE | BPF_K, ranges[half].start, 0, 0);
	emit_search(program, ranges, half);
	land(program, jump);
	emit_search(program, ranges + half, count - half);
}

/* if it is not this architecture, on to the next; the accumulator holds the architecture before and after. */
static void emit_architecture(Program *program, const Architecture *architecture, const Table *verdicts)
{
	autoclear(Ranges) ranges = {0};
	size_t skip;

	emit(program, BPF_JMP | BPF_JEQ | BPF_K, architecture->audit, 1, 0);
	skip = emit(program, BPF_JMP | BPF_JA, 0, 0, 0);
	emit_load(program, offsetof(struct seccomp_data, nr));
	read_ranges(&ranges, architecture, verdicts);
	emit_search(program, ranges.items, ranges.count);
	program->items[skip].k = (uint32_t)(program->count - skip - 1);
}

fallible seccomp_program_build(struct sock_filter **ret, size_t *ret_count, uint64_t capabilities)
{
	autoptr(Table) verdicts = index_names(capabilities);
	autoclear(Program) program = {0};

	emit_load(&program, offsetof(struct seccomp_data, arch));
	for (size_t i = 0; i < sizeof(architectures) / sizeof(architectures[0]); i++)
		emit_architecture(&program, &architectures[i], verdicts);
	emit_return(&program, SECCOMP_RET_KILL_PROCESS);
	if (program.count > SECCOMP_PROGRAM_MAX)
		return error_new(ERROR_INTERNAL, "seccomp program has %zu instructions", program.count);
	*ret_count = program.count;
	*ret = take(program.items);
	return NULL;
}
