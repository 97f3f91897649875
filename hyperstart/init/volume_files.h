// SPDX-License-Identifier: GPL-3.0-or-later
/* The files that a volume holds from the start. */
#ifndef VOLUME_FILES_H
#define VOLUME_FILES_H

#include "launch_plan.h"

/* `root`: the volume's directory, which nobody else has seen yet. */
int volume_files_write(const struct volume_plan *volume, const char *root, struct error *error);
/* Containers see each file as it was or as it is to be, never a half. What is the same stays untouched. */
int volume_files_change(const struct volume_plan *former, const struct volume_plan *volume, const char *root, struct error *error);

#endif
