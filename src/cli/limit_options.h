// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The options for limits that run, create and update have alike: rows of a table over ContainerOptions. */
#include "cli/container_options.h"

#define LIMIT_AT(member) offsetof(ContainerOptions, member)

/* clang-format off */
#define LIMIT_OPTIONS \
	{"memory", 'm', OPTION_BYTES, LIMIT_AT(memory), "BYTES", "memory, for example 64m"}, \
	{"memory-reservation", 0, OPTION_BYTES, LIMIT_AT(memory_reservation), "BYTES", \
		"memory it is pushed back to when the machine runs short"}, \
	{"memory-swap", 0, OPTION_BYTES, LIMIT_AT(memory_swap), "BYTES", "memory and swap together, -1: no limit", -1, \
		INT64_MAX}, \
	{"cpus", 0, OPTION_NANO, LIMIT_AT(nano_cpus), "NUMBER", "processors, for example 1.5"}, \
	{"cpu-shares", 'c', OPTION_INT, LIMIT_AT(cpu_shares), "N", "weight among containers when all want the processor", 0, \
		INT32_MAX}, \
	{"cpu-period", 0, OPTION_INT, LIMIT_AT(cpu_period), "MICROSECONDS", "period of --cpu-quota", 0, INT32_MAX}, \
	{"cpu-quota", 0, OPTION_INT, LIMIT_AT(cpu_quota), "MICROSECONDS", "processor time in a period", -1, INT32_MAX}, \
	{"cpu-rt-period", 0, OPTION_INT, LIMIT_AT(cpu_rt_period), "MICROSECONDS", "period of --cpu-rt-runtime", 0, INT32_MAX}, \
	{"cpu-rt-runtime", 0, OPTION_INT, LIMIT_AT(cpu_rt_runtime), "MICROSECONDS", "real-time processor time in a period", 0, \
		INT32_MAX}, \
	{"cpuset-cpus", 0, OPTION_STRING, LIMIT_AT(cpuset_cpus), "LIST", "processors it may run on, for example 0-2,4"}, \
	{"cpuset-mems", 0, OPTION_STRING, LIMIT_AT(cpuset_mems), "LIST", "memory nodes it may use"}, \
	{"pids-limit", 0, OPTION_INT, LIMIT_AT(pids_limit), "N", "processes and threads, -1: no limit", -1, INT32_MAX}, \
	{"blkio-weight", 0, OPTION_INT, LIMIT_AT(blkio_weight), "N", "weight of its block I/O, 10 to 1000", 0, 1000}
/* clang-format on */
