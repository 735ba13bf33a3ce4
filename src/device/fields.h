// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Shorter ways to write fields of a declaration, made into what its tables read: Field.expand and Field.expand_item. */
#include "json/fields.h"

/* "a: b" and ["a=b"] */
Error *expand_map(Value **ret, const Value *value);         /* an object of strings; numbers become text */
Error *expand_environment(Value **ret, const Value *value); /* a list of "NAME=value"; null keeps the image's out */
Error *expand_hosts(Value **ret, const Value *value);       /* a list of "name:address" */
Error *expand_line(Value **ret, const Value *value);        /* "sh -c 'x y'" as words */
Error *expand_test(Value **ret, const Value *value);        /* "curl ..." as ["CMD-SHELL", "curl ..."] */
Error *expand_words(Value **ret, const Value *value);       /* "a" as ["a"] */
Error *expand_gpus(Value **ret, const Value *value);        /* all, 2, ["0", "GPU-..."] */
Error *expand_ulimits(Value **ret, const Value *value);     /* {"nofile": 1024}, ["nofile=1:2"] as a list of objects */
/* {"web": {...}, "db": null} as [{"network": "web", ...}], with the name of the key's field */
Error *expand_networks(Value **ret, const Value *value);
Error *expand_dependencies(Value **ret, const Value *value);

Error *expand_port(Value *array, Value *item);
Error *expand_volume(Value *array, Value *item);
Error *expand_device(Value *array, Value *item);
Error *expand_rate(Value *array, Value *item);   /* "/dev/sda:1m" */
Error *expand_weight(Value *array, Value *item); /* "/dev/sda:500" */
Error *expand_number(Value *array, Value *item); /* "/dev/sda:100" */
