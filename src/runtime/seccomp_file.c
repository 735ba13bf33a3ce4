// SPDX-License-Identifier: Apache-2.0
#include "runtime/seccomp_file.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/memory.h"
#include "oci/platform.h"
#include "runtime/capability.h"
#include "json/fields.h"

enum { ARGUMENTS = 6 };

/* ---- the format ---- */

typedef struct Condition {
	StringList caps, arches;
	char *min_kernel; /* "4.8" */
} Condition;

typedef struct Argument {
	int64_t index;
	Value *value, *value_two; /* up to 64 bits without a sign: written as they came */
	char *op;
} Argument;

typedef struct Rule {
	StringList names;
	char *name, *action;
	Value *errno_ret;
	FieldArray arguments; /* Argument */
	Condition includes, excludes;
} Rule;

typedef struct ArchitectureMap {
	char *architecture;
	StringList with;
} ArchitectureMap;

typedef struct Profile {
	char *default_action, *listener_path, *listener_metadata;
	Value *default_errno_ret;
	StringList architectures, flags;
	FieldArray architecture_maps; /* ArchitectureMap */
	FieldArray rules;             /* Rule */
} Profile;

#define AT(member) .offset = offsetof(OWNER, member)

#define OWNER Condition
static const Field condition_fields[] = {
	{"caps", FIELD_STRINGS, AT(caps)},
	{"arches", FIELD_STRINGS, AT(arches)},
	{"minKernel", FIELD_STRING, AT(min_kernel)},
	FIELDS_END,
};
#undef OWNER

#define OWNER Argument
static const Field argument_fields[] = {
	{"index", FIELD_INT, AT(index), .max = ARGUMENTS - 1, .required = true},
	{"value", FIELD_VALUE, AT(value)},
	{"valueTwo", FIELD_VALUE, AT(value_two)},
	{"op", FIELD_STRING, AT(op), .required = true},
	FIELDS_END,
};
#undef OWNER

#define OWNER Rule
static const Field rule_fields[] = {
	{"names", FIELD_STRINGS, AT(names)},
	{"name", FIELD_STRING, AT(name)},
	{"action", FIELD_STRING, AT(action), .required = true},
	{"errnoRet", FIELD_VALUE, AT(errno_ret)},
	{"args", FIELD_ARRAY, AT(arguments), .sub = argument_fields, .sub_size = sizeof(Argument)},
	{"includes", FIELD_OBJECT, AT(includes), .sub = condition_fields, .sub_size = sizeof(Condition)},
	{"excludes", FIELD_OBJECT, AT(excludes), .sub = condition_fields, .sub_size = sizeof(Condition)},
	FIELDS_END,
};
#undef OWNER

#define OWNER ArchitectureMap
static const Field map_fields[] = {
	{"architecture", FIELD_STRING, AT(architecture), .required = true},
	{"subArchitectures", FIELD_STRINGS, AT(with)},
	FIELDS_END,
};
#undef OWNER

#define OWNER Profile
static const Field profile_fields[] = {
	{"defaultAction", FIELD_STRING, AT(default_action), .required = true},
	{"defaultErrnoRet", FIELD_VALUE, AT(default_errno_ret)},
	{"architectures", FIELD_STRINGS, AT(architectures)},
	{"archMap", FIELD_ARRAY, AT(architecture_maps), .sub = map_fields, .sub_size = sizeof(ArchitectureMap)},
	{"flags", FIELD_STRINGS, AT(flags)},
	{"listenerPath", FIELD_STRING, AT(listener_path)},
	{"listenerMetadata", FIELD_STRING, AT(listener_metadata)},
	{"syscalls", FIELD_ARRAY, AT(rules), .sub = rule_fields, .sub_size = sizeof(Rule)},
	FIELDS_END,
};
#undef OWNER

static void profile_clear(Profile *profile)
{
	fields_clear(profile_fields, profile);
}

DEFINE_AUTOCLEAR(Profile, profile_clear)

/* ---- checking ---- */

static const char *const actions[] = {"SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_TRAP",
	"SCMP_ACT_ERRNO", "SCMP_ACT_TRACE", "SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY"};
static const char *const operators[] = {
	"SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ"};

static fallible check_word(const char *field, const char *word, const char *const *words, size_t count)
{
	if (names_find(words, count, word) >= 0)
		return NULL;
	return error_new(ERROR_INVALID, "%s \"%.64s\" is unknown", field, word);
}

static fallible check_number(const char *field, const Value *number)
{
	if (value_is_null(number) || (value_is_number(number) && value_double(number, -1) >= 0))
		return NULL;
	return error_new(ERROR_INVALID, "field \"%s\" is not a number from 0 on", field);
}

static fallible check_rule(const Rule *rule)
{
	const Argument *arguments = rule->arguments.items;

	TRY(check_word("action", rule->action, actions, COUNT(actions)));
	TRY(check_number("errnoRet", rule->errno_ret));
	if (!string_empty(rule->name) && rule->names.count)
		return error_new(ERROR_INVALID, "fields \"name\" and \"names\" exclude each other");
	for (size_t i = 0; i < rule->arguments.count; i++) {
		TRY(check_word("operator", arguments[i].op, operators, COUNT(operators)));
		TRY(check_number("value", arguments[i].value));
		TRY(check_number("valueTwo", arguments[i].value_two));
	}
	return NULL;
}

static fallible check_profile(const Profile *profile)
{
	TRY(check_word("default action", profile->default_action, actions, COUNT(actions)));
	TRY(check_number("defaultErrnoRet", profile->default_errno_ret));
	if (profile->architectures.count && profile->architecture_maps.count)
		return error_new(ERROR_INVALID, "fields \"architectures\" and \"archMap\" exclude each other");
	for (size_t i = 0; i < profile->rules.count; i++)
		TRY_WRAP(check_rule((const Rule *)profile->rules.items + i), "syscalls[%zu]", i);
	return NULL;
}

/* ---- this machine ---- */

typedef struct Machine {
	Platform platform;
	uint64_t capabilities;
	int major, minor; /* of the kernel */
} Machine;

static void machine_clear(Machine *machine)
{
	platform_clear(&machine->platform);
}

DEFINE_AUTOCLEAR(Machine, machine_clear)

static void machine_read(Machine *ret, uint64_t capabilities)
{
	struct utsname host;

	uname(&host);
	ret->capabilities = capabilities;
	sscanf(host.release, "%d.%d", &ret->major, &ret->minor);
	platform_host(&ret->platform);
}

static bool has_kernel(const Machine *machine, const char *wanted)
{
	int major = 0, minor = 0;

	sscanf(wanted, "%d.%d", &major, &minor);
	return machine->major > major || (machine->major == major && machine->minor >= minor);
}

static bool has_capability(const Machine *machine, const char *name)
{
	int number;
	Error *error = capability_parse(&number, name);

	if (!error)
		return machine->capabilities & CAPABILITY_BIT(number);
	error_free(error); /* one of a newer kernel: nobody has it */
	return false;
}

/* Every capability is wanted, one of the architectures, the kernel at least. */
static bool is_included(const Machine *machine, const Condition *condition)
{
	if (condition->arches.count && !strings_has(&condition->arches, machine->platform.architecture))
		return false;
	for (size_t i = 0; i < condition->caps.count; i++)
		if (!has_capability(machine, condition->caps.items[i]))
			return false;
	return string_empty(condition->min_kernel) || has_kernel(machine, condition->min_kernel);
}

/* Any one excludes. */
static bool is_excluded(const Machine *machine, const Condition *condition)
{
	if (strings_has(&condition->arches, machine->platform.architecture))
		return true;
	for (size_t i = 0; i < condition->caps.count; i++)
		if (has_capability(machine, condition->caps.items[i]))
			return true;
	return !string_empty(condition->min_kernel) && has_kernel(machine, condition->min_kernel);
}

/* ---- writing ---- */

static const char *native_architecture(const Machine *machine)
{
	static const struct {
		const char *ours, *name;
	} names[] = {
		{"amd64", "SCMP_ARCH_X86_64"},
		{"386", "SCMP_ARCH_X86"},
		{"arm64", "SCMP_ARCH_AARCH64"},
		{"arm", "SCMP_ARCH_ARM"},
		{"riscv64", "SCMP_ARCH_RISCV64"},
	};

	for (size_t i = 0; i < COUNT(names); i++)
		if (string_equal(machine->platform.architecture, names[i].ours))
			return names[i].name;
	return NULL;
}

static void write_architectures(Writer *writer, const Profile *profile, const Machine *machine)
{
	const ArchitectureMap *maps = profile->architecture_maps.items;
	autoclear(StringList) list = {0};

	strings_copy(&list, &profile->architectures);
	for (size_t i = 0; i < profile->architecture_maps.count; i++) {
		if (!string_equal(maps[i].architecture, native_architecture(machine)))
			continue;
		strings_add(&list, maps[i].architecture);
		for (size_t j = 0; j < maps[i].with.count; j++)
			strings_add(&list, maps[i].with.items[j]);
	}
	if (list.count)
		write_strings(writer, "architectures", &list);
}

static void write_number(Writer *writer, const char *key, const Value *number)
{
	autoclear(Buffer) text = {0};

	if (value_is_null(number))
		return;
	value_write(number, &text);
	write_raw(writer, key, buffer_text(&text));
}

static void write_argument(Writer *writer, const Argument *argument)
{
	write_object(writer, NULL);
	write_int(writer, "index", argument->index);
	if (value_is_null(argument->value))
		write_int(writer, "value", 0);
	write_number(writer, "value", argument->value);
	write_number(writer, "valueTwo", argument->value_two);
	write_string(writer, "op", argument->op);
	write_object_end(writer);
}

static void write_rule(Writer *writer, const Rule *rule)
{
	const Argument *arguments = rule->arguments.items;
	autoclear(StringList) names = {0};

	strings_copy(&names, &rule->names);
	if (!string_empty(rule->name))
		strings_add(&names, rule->name);
	if (!names.count)
		return;
	write_object(writer, NULL);
	write_strings(writer, "names", &names);
	write_string(writer, "action", rule->action);
	write_number(writer, "errnoRet", rule->errno_ret);
	if (rule->arguments.count) {
		write_array(writer, "args");
		for (size_t i = 0; i < rule->arguments.count; i++)
			write_argument(writer, &arguments[i]);
		write_array_end(writer);
	}
	write_object_end(writer);
}

static void write_profile(Writer *writer, const Profile *profile, const Machine *machine)
{
	const Rule *rules = profile->rules.items;

	write_object(writer, NULL);
	write_string(writer, "defaultAction", profile->default_action);
	write_number(writer, "defaultErrnoRet", profile->default_errno_ret);
	write_architectures(writer, profile, machine);
	if (profile->flags.count)
		write_strings(writer, "flags", &profile->flags);
	if (!string_empty(profile->listener_path))
		write_string(writer, "listenerPath", profile->listener_path);
	if (!string_empty(profile->listener_metadata))
		write_string(writer, "listenerMetadata", profile->listener_metadata);
	write_array(writer, "syscalls");
	for (size_t i = 0; i < profile->rules.count; i++)
		if (is_included(machine, &rules[i].includes) && !is_excluded(machine, &rules[i].excludes))
			write_rule(writer, &rules[i]);
	write_array_end(writer);
	write_object_end(writer);
}

fallible seccomp_file_convert(Buffer *out, const char *text, uint64_t capabilities)
{
	autoclear(Profile) profile = {0};
	autoclear(Machine) machine = {0};
	Writer writer;

	TRY(fields_read_text(profile_fields, &profile, "seccomp profile", text, strlen(text), 0));
	TRY_WRAP(check_profile(&profile), "seccomp profile");
	machine_read(&machine, capabilities);
	writer_init(&writer, out);
	write_profile(&writer, &profile, &machine);
	return NULL;
}
