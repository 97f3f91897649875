// SPDX-License-Identifier: GPL-3.0-or-later
/* Looking whether a container works: its startup probe first, then its liveness and readiness probes beside each other. */
#ifndef PROBE_H
#define PROBE_H

#include "action.h"

struct generation;

enum probe_kind { PROBE_STARTUP, PROBE_LIVENESS, PROBE_READINESS, PROBE_KINDS };

struct probe {
    struct container *container;
    const struct probe_plan *plan; /* NULL: there is none of this kind */
    enum probe_kind kind;
    struct timer timer;
    struct action action;
    uint64_t due;  /* monotonic milliseconds */
    bool last;     /* how the last ones ended, */
    uint64_t runs; /* and how many in a row */
};

void probes_init(struct container *container);
/* By the plan `wanted` of a newer generation, whatever the container does. A probe that is the same goes on counting. */
void probes_change(struct container *container, const struct container_plan *wanted, struct generation *generation);
/* The container is up. */
void probes_begin(struct container *container);
void probes_end(struct container *container);
bool probes_reaped(struct container *container, pid_t pid, int wait_status);

#endif
