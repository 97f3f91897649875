// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The files that a volume holds from the start, and that change all at once, as Kubernetes' AtomicWriter does it: they lie in a directory with a time for its
 * name, the link "..data" leads there, and what a container sees of the volume are links through that one. One rename of it switches all of them. Whoever
 * has mounted a part of the volume keeps what that was.
 */
#ifndef VOLUME_FILES_H
#define VOLUME_FILES_H

#include "launch_plan.h"

/* Whether both hold the same. */
bool volume_files_are_same(const struct volume_plan *one, const struct volume_plan *other);
/* Writes them aside: what can fail fails here, and nobody sees any of it. `root`: the volume's directory. */
int volume_files_prepare(const struct volume_plan *volume, const char *root, struct error *error);
/* What was prepared last is what the volume holds from now on. `keep`: what it held before stays, for those who have mounted a directory of that. */
int volume_files_switch(const struct volume_plan *volume, const char *root, bool keep, struct error *error);

#endif
