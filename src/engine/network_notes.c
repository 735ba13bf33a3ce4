// SPDX-License-Identifier: Apache-2.0
/*
 * What the run directory says of bridges, so that the next kedged can finish what this one does not. leaving/ has those
 * whose networks are gone: noted before the network's record goes, as a bridge itself only says that some kedged has
 * made it. lent/ has what is changed on those that somebody else has made: noted before it is changed, and kept until
 * it is as it was.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>

#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/network_internal.h"
#include "network/host.h"
#include "network/reaper.h"

static const char leaving[] = "leaving", lent[] = "lent";

enum { LOAN_MAX = 64 * 1024 };

static char *note_path(const Engine *engine, const char *kind, const char *bridge)
{
	return string_printf("%s/%s/%s", engine->config.run_dir, kind, bridge);
}

static fallible write_note(const Engine *engine, const char *kind, const char *bridge, const Buffer *text)
{
	autofree char *directory = path_join(engine->config.run_dir, kind), *path = note_path(engine, kind, bridge);

	TRY(dir_make(AT_FDCWD, directory, 0700));
	return file_replace(AT_FDCWD, path, text->data, text->length, 0600);
}

fallible bridge_note(const Engine *engine, const char *bridge)
{
	const Buffer nothing = {0};

	return write_note(engine, leaving, bridge, &nothing);
}

void bridge_drop_note(const Engine *engine, const char *bridge)
{
	autofree char *path = note_path(engine, leaving, bridge);
	Error *error = file_unlink(AT_FDCWD, path);

	if (error)
		error_log(error, "bridge \"%s\"", bridge);
}

/* ---- one that somebody else has made ---- */

typedef struct Loan {
	int64_t index;    /* the link's: another one of this name was not lent */
	StringList added; /* addresses, "10.1.0.1/24" */
	bool is_opened;   /* route_localnet was off */
	int64_t mtu;      /* that it had; 0: that is not changed */
} Loan;

#define OWNER Loan
static const Field loan_fields[] = {
	{"index", FIELD_INT, .offset = offsetof(OWNER, index)},
	{"added", FIELD_STRINGS, .offset = offsetof(OWNER, added), .omit_empty = true},
	{"opened", FIELD_BOOL, .offset = offsetof(OWNER, is_opened), .omit_empty = true},
	{"mtu", FIELD_INT, .offset = offsetof(OWNER, mtu), .omit_empty = true, .max = INT_MAX},
	FIELDS_END,
};
#undef OWNER

static void loan_clear(Loan *loan)
{
	fields_clear(loan_fields, loan);
}
DEFINE_AUTOCLEAR(Loan, loan_clear)

static fallible try_loan(Loan *ret, const char *path)
{
	autofree char *text = NULL;
	size_t length;

	TRY(file_read(&text, &length, AT_FDCWD, path, LOAN_MAX));
	return fields_read_text(loan_fields, ret, "note", text, length, 0);
}

/* Without a file we have changed nothing, nor where the owner has made the bridge anew since. */
static void read_loan(Loan *ret, const Engine *engine, const char *bridge, int index)
{
	autofree char *path = note_path(engine, lent, bridge);
	Error *error = file_exists(AT_FDCWD, path) ? try_loan(ret, path) : NULL;

	if (error)
		error_log(error, "what kedge has changed on bridge \"%s\" stays", bridge);
	if (error || ret->index != index)
		loan_clear(ret);
	ret->index = index;
}

static fallible write_loan(const Loan *loan, const Engine *engine, const char *bridge)
{
	autoclear(Buffer) text = {0};
	Writer writer;

	writer_init(&writer, &text);
	fields_write(loan_fields, loan, &writer, NULL);
	return write_note(engine, lent, bridge, &text);
}

static void add_addresses(Loan *loan, const BridgeSpec *spec, const StringList *has)
{
	for (size_t i = 0; i < spec->gateway_count; i++) {
		char text[SUBNET_TEXT_MAX];
		subnet_format_with_host(text, &spec->gateways[i]);
		if (!strings_has(has, text) && !strings_has(&loan->added, text))
			strings_add(&loan->added, text);
	}
}

/* What is there already is not changed, unless that was noted before. */
static void add_changes(Loan *loan, const BridgeSpec *spec, const BridgeState *state, const StringList *has)
{
	add_addresses(loan, spec, has);
	loan->is_opened |= !host_has_localnet(spec->name);
	if (!loan->mtu && spec->mtu && spec->mtu != state->mtu)
		loan->mtu = state->mtu;
}

fallible bridge_borrow(const Engine *engine, const BridgeSpec *spec)
{
	autoclear(StringList) has = {0};
	autoclear(Loan) loan = {0}, before = {0};
	BridgeState state;

	TRY(bridge_look(&state, engine->links, spec->name));
	if (state.owner != BRIDGE_LENT)
		return NULL;
	TRY(addresses_list(&has, engine->links, spec->name));
	read_loan(&loan, engine, spec->name, state.index);
	fields_copy(loan_fields, &before, &loan);
	add_changes(&loan, spec, &state, &has);
	return fields_equal(loan_fields, &loan, &before) ? NULL : write_loan(&loan, engine, spec->name);
}

static fallible give_back(const Engine *engine, const char *bridge, const BridgeState *state)
{
	autoclear(Loan) loan = {0};

	read_loan(&loan, engine, bridge, state->index);
	TRY(bridge_give_back(engine->links, bridge, &loan.added, (int)loan.mtu));
	return host_close_loopback(engine->links, bridge, !loan.is_opened);
}

fallible bridge_return(const Engine *engine, const char *bridge)
{
	autofree char *path = note_path(engine, lent, bridge);
	BridgeState state;

	if (!file_exists(AT_FDCWD, path))
		return NULL;
	TRY(bridge_look(&state, engine->links, bridge));
	if (state.owner == BRIDGE_LENT)
		TRY(give_back(engine, bridge, &state));
	return file_unlink(AT_FDCWD, path);
}

/* ---- at the next start ---- */

typedef struct Sweep {
	const Engine *engine;
	char *bridge;
} Sweep;

static void swept(void *arg, Error *take_error)
{
	Sweep *sweep = arg;

	if (take_error)
		error_log(take_error, "bridge \"%s\", whose network is gone, stays", sweep->bridge);
	else
		bridge_drop_note(sweep->engine, sweep->bridge);
	free(sweep->bridge);
	free(sweep);
}

static bool is_used(const Engine *engine, const char *bridge)
{
	list_each(&engine->network_order, Network, link, network)
		if (network_has_bridge(network) && string_equal(network->bridge, bridge))
			return true;
	return false;
}

static fallible sweep_bridge(Engine *engine, const char *bridge)
{
	BridgeState state;
	Sweep *sweep;
	Error *error;

	TRY(network_open_links(engine));
	TRY(bridge_look(&state, engine->links, bridge));
	if (!is_used(engine, bridge))
		TRY(bridge_return(engine, bridge));
	if (state.owner != BRIDGE_OURS || is_used(engine, bridge)) {
		bridge_drop_note(engine, bridge);
		return NULL;
	}
	sweep = mem_new(Sweep);
	*sweep = (Sweep){engine, mem_strdup(bridge)};
	error = reaper_remove(engine->reaper, -1, bridge, swept, sweep);
	if (error)
		swept(sweep, error);
	return NULL;
}

/* One that cannot be swept is in nobody's way. */
static Error *visit(void *arg, int dir, const char *name, unsigned char type)
{
	Error *error = sweep_bridge(arg, name);

	(void)dir, (void)type;
	if (error)
		error_log(error, "bridge \"%s\", whose network is gone, stays", name);
	return NULL;
}

static fallible sweep_all(Engine *engine)
{
	autofree char *directory = path_join(engine->config.run_dir, leaving);

	if (!file_exists(AT_FDCWD, directory))
		return NULL;
	TRY(dir_remove_temporaries(AT_FDCWD, directory));
	return dir_each(AT_FDCWD, directory, visit, engine);
}

void bridges_sweep(Engine *engine)
{
	Error *error = sweep_all(engine);

	if (error)
		error_log(error, "bridges whose networks are gone");
}
