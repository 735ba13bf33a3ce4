# SPDX-License-Identifier: Apache-2.0
# What a tree is, in lines that are equal for equal trees: kinds, modes, owners and targets of all names, and digests of all files.
lines_of_tree() { # directory
	(cd "$1" && find . -mindepth 1 -exec stat -c '%N %f %u %g' {} + && find . -type f -exec sha256sum {} +) | sort
}
