// SPDX-License-Identifier: GPL-3.0-or-later
/* A launch plan as it was read once. It is kept as long as a container lives by it. */
#ifndef GENERATION_H
#define GENERATION_H

#include "launch_plan.h"

struct generation {
    struct launch_plan plan;
    uint32_t revision;
    struct arena memory;
    struct generation *next;
};

/* The newest whole plan of the disk (or, in a test, file) at `path`, with the values of secrets in it if any are given; NULL. */
struct generation *generation_read(const char *path, const struct bytes *secrets, struct error *error);
/* All of a disk (or file) that holds the values of secrets. The data is the caller's, to be freed. */
int generation_read_secrets(const char *path, struct bytes *secrets, struct error *error);
/* Gives up all generations that are not in use. */
void generations_tidy(bool (*in_use)(const struct generation *generation));

/* The container or volume of that name; NULL. */
struct container_plan *plan_container(const struct launch_plan *plan, const char *name);
struct volume_plan *plan_volume(const struct launch_plan *plan, const char *name);

#endif
