// SPDX-License-Identifier: GPL-3.0-or-later
/* The machine that hyperstart is PID 1 of: the guest, or in test mode a set of namespaces. */
#ifndef MACHINE_H
#define MACHINE_H

#include "error.h"

#include <stdbool.h>
#include <sys/resource.h>

struct machine {
    bool test;
    bool cgroups;
    struct rlimit files; /* how many a container's process may have open, as it starts */
    const char *state;   /* an absolute path: images/ scratch/ tmpfs/ disks/ devices/ etc/ skeleton/ root/ */
};
extern struct machine machine;

/* A path below the state directory, in memory that lasts until the 4th call from now. */
__attribute__((format(printf, 1, 2))) const char *state_path(const char *format, ...);

/* Mounts what PID 1 needs, loads modules. Then what every container gets a copy of. */
int machine_prepare(struct error *error);
int machine_prepare_skeleton(struct error *error);

/* Ends everything that still runs, unmounts, powers off. */
_Noreturn void machine_power_off(int exit_code);

#endif
