// SPDX-License-Identifier: GPL-3.0-or-later
/* The part of a launch plan that says how a container is looked after: probes and hooks. */
#ifndef LIFE_PLAN_H
#define LIFE_PLAN_H

#include "fields.h"

enum action_kind { ACTION_EXEC, ACTION_TCP, ACTION_HTTP, ACTION_SLEEP };

struct action_plan {
    char *kind_text;
    enum action_kind kind;
    struct texts argv;
    char *address;
    uint64_t port;
    struct bytes request;
    uint64_t seconds;
};

/* At most one. */
struct action_plans {
    struct action_plan *items;
    size_t count;
};

struct probe_plan {
    struct action_plans action;
    uint64_t initial_delay, period, timeout; /* seconds */
    uint64_t success_threshold, failure_threshold;
    uint64_t grace_period; /* seconds; PROBE_NO_GRACE_PERIOD: the container's */
};
#define PROBE_NO_GRACE_PERIOD UINT64_MAX

struct probe_plans {
    struct probe_plan *items;
    size_t count;
};

extern const struct form action_form, probe_form;

/* Whether both say the same; NULL is none. */
bool probe_plan_is_same(const struct probe_plan *one, const struct probe_plan *other);

#endif
