// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What this machine is, in the words of Docker's /info and /version. Texts are valid until the program ends. */
#include <stdint.h>

const char *machine_architecture(void);   /* "amd64", as Go names them */
const char *machine_uname(void);          /* "x86_64" */
const char *machine_system(void);         /* PRETTY_NAME of os-release(5) */
const char *machine_system_version(void); /* VERSION_ID of os-release(5) */
const char *machine_build_time(void);     /* RFC 3339, of this program */
int64_t machine_memory(void);             /* bytes */
int64_t machine_open_files(void);         /* of this process */
