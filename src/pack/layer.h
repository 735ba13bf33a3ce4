// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * An unpacked layer as the archive of a layer: overlay's whiteouts (devices 0/0) and opaque marks become those of
 * archives (".wh.NAME", ".wh..wh..opq"). Source: OCI image spec, layer.md. It is not the archive that the layer came
 * from: what headers say beside the tree itself is lost.
 */
#include "base/table.h"
#include "pack/tar.h"

/* The directories that hide what is below them, by path, "" for the root. Before view_enter(): reading the marks takes
 * rights that are given up then. */
fallible layer_opaque(Table *ret, int root);
/* left_out: paths that are no part of it, without what is below them; NULL: none. */
fallible pack_layer(TarOut *out, int root, const Table *opaque, const Table *left_out);
