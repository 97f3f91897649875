// SPDX-License-Identifier: GPL-3.0-or-later
#include "probe.h"

#include "container.h"

#include <stdio.h>
#include <string.h>

static const char *const names[] = {[PROBE_STARTUP] = "startup", [PROBE_LIVENESS] = "liveness", [PROBE_READINESS] = "readiness"};

static void attempt(struct timer *timer);

static void begin(struct probe *probe) {
    if (!probe->plan)
        return;
    uint64_t now = monotonic_ms(), due = probe->container->running_since + probe->plan->initial_delay * 1000;
    probe->runs = 0;
    probe->due = due > now ? due : now;
    timer_set(&probe->timer, probe->due - now, attempt);
}

static void end(struct probe *probe) {
    timer_clear(&probe->timer);
    action_cancel(&probe->action);
}

static void passed(struct container *container) {
    container->passed = container->lets_go_on = true;
    container->ready = !container->probes[PROBE_READINESS].plan;
    begin(&container->probes[PROBE_LIVENESS]);
    begin(&container->probes[PROBE_READINESS]);
    container_tell_ready(container);
    pod_container_changed();
}

static void set_ready(struct container *container, bool ready, const char *failure) {
    char message[sizeof container->message] = "";
    if (failure)
        snprintf(message, sizeof message, "readiness probe failed: %s", failure);
    if (container->ready == ready && !strcmp(container->message, message))
        return;
    container->ready = ready;
    memcpy(container->message, message, sizeof message);
    container_tell_ready(container);
    pod_container_changed();
}

/* So many alike in a row that it counts. */
static void conclude(struct probe *probe, const char *failure) {
    struct container *container = probe->container;
    if (probe->kind == PROBE_READINESS) {
        set_ready(container, !failure, failure);
    } else if (failure) {
        char cause[16];
        snprintf(cause, sizeof cause, "%s probe", names[probe->kind]);
        container_replace(container, cause, failure, probe->plan->grace_period == PROBE_NO_GRACE_PERIOD ? -1 : (int64_t)probe->plan->grace_period);
    } else if (probe->kind == PROBE_STARTUP) {
        end(probe);
        passed(container);
    }
}

static void attempted(struct action *action, const char *failure) {
    struct probe *probe = containing(action, struct probe, action);
    uint64_t now = monotonic_ms();
    /* As a clock ticks: what took longer than a period leaves some out. */
    while (probe->due <= now)
        probe->due += probe->plan->period * 1000;
    timer_set(&probe->timer, probe->due - now, attempt);
    if (probe->last != !failure)
        probe->runs = 0;
    probe->last = !failure;
    if (++probe->runs >= (failure ? probe->plan->failure_threshold : probe->plan->success_threshold))
        conclude(probe, failure);
}

static void attempt(struct timer *timer) {
    struct probe *probe = containing(timer, struct probe, timer);
    action_start(&probe->action, &probe->plan->action.items[0], probe->container, probe->plan->timeout * 1000, attempted);
}

static const struct probe_plan *planned(const struct container_plan *plan, int kind) {
    const struct probe_plans *plans[] = {
        [PROBE_STARTUP] = &plan->startup_probe, [PROBE_LIVENESS] = &plan->liveness_probe, [PROBE_READINESS] = &plan->readiness_probe};
    return plans[kind]->count ? plans[kind]->items : NULL;
}

void probes_init(struct container *container) {
    for (int kind = 0; kind < PROBE_KINDS; kind++)
        container->probes[kind] = (struct probe){.container = container, .kind = (enum probe_kind)kind, .plan = planned(container->plan, kind)};
}

/* Whether it is another one now. */
static bool exchange(struct probe *probe, const struct probe_plan *wanted) {
    bool same = probe_plan_is_same(probe->plan, wanted);
    if (!same)
        end(probe);
    else if (probe->action.plan)
        probe->action.plan = wanted->action.items;
    probe->plan = wanted;
    return !same;
}

void probes_change(struct container *container, const struct container_plan *wanted, struct generation *generation) {
    struct probe *startup = &container->probes[PROBE_STARTUP], *readiness = &container->probes[PROBE_READINESS];
    bool starting = startup->timer.at || startup->action.plan, passed_before = container->passed, changed[PROBE_KINDS];
    for (int kind = 0; kind < PROBE_KINDS; kind++)
        changed[kind] = exchange(&container->probes[kind], planned(wanted, kind));
    container->probing = generation;
    /* One that has succeeded has done its work; a new one is for the next start. */
    if (changed[PROBE_STARTUP] && starting && startup->plan)
        begin(startup);
    else if (changed[PROBE_STARTUP] && starting)
        passed(container);
    if (!passed_before)
        return;
    if (changed[PROBE_LIVENESS])
        begin(&container->probes[PROBE_LIVENESS]);
    if (changed[PROBE_READINESS]) {
        /* What the former one found says nothing of this one. */
        set_ready(container, !readiness->plan, NULL);
        begin(readiness);
    }
}

void probes_begin(struct container *container) {
    if (container->probes[PROBE_STARTUP].plan)
        begin(&container->probes[PROBE_STARTUP]);
    else
        passed(container);
}

void probes_end(struct container *container) {
    for (int kind = 0; kind < PROBE_KINDS; kind++)
        end(&container->probes[kind]);
    container->passed = container->ready = false;
}

bool probes_reaped(struct container *container, pid_t pid, int wait_status) {
    for (int kind = 0; kind < PROBE_KINDS; kind++)
        if (action_reaped(&container->probes[kind].action, pid, wait_status))
            return true;
    return false;
}
