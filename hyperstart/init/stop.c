// SPDX-License-Identifier: GPL-3.0-or-later
/* The end of a container that does not end by itself: its turn, its stop signal, its grace period. */
#include "container.h"
#include "group.h"
#include "log.h"

#include <signal.h>
#include <stdio.h>

/* Who had to wait for others before it was told to end has at least so long, as the kubelet grants it. */
#define LEAST_GRACE_MS 2000

static void grace_period_over(struct timer *timer) {
    struct container *container = containing(timer, struct container, timer);
    /* Also by its pid: a process that is still being started may not be in its group yet. */
    if (container->pid)
        kill(container->pid, SIGKILL);
    group_kill(container->plan->name, container->mount_namespace);
}

static void tell(struct container *container, uint64_t least) {
    if (!container->stopping || container->told || !container->pid || container->hook.plan || !pod_may_end(container))
        return;
    uint64_t now = monotonic_ms();
    container->told = true;
    if (container->kill_at < now + least)
        container->kill_at = now + least;
    kill(container->pid, (int)container->plan->stop_signal);
    timer_set(&container->timer, container->kill_at - now, grace_period_over);
}

void container_stop_advance(struct container *container) { tell(container, LEAST_GRACE_MS); }

static void pre_stop_done(struct action *action, const char *failure) {
    struct container *container = action->container;
    if (failure)
        log_event(container->plan->name, "unhealthy", "cause", "preStop hook", "message", failure, NULL);
    tell(container, LEAST_GRACE_MS);
}

/* What comes before the stop signal; it takes its time from the grace period. */
static void begin_hook(struct container *container, uint64_t milliseconds) {
    action_cancel(&container->hook);
    if (milliseconds && container->state == CONTAINER_RUNNING && container->plan->pre_stop.count)
        action_start(&container->hook, container->plan->pre_stop.items, container, milliseconds, pre_stop_done);
}

static void stop_running(struct container *container, uint64_t milliseconds) {
    uint64_t now = monotonic_ms();
    if (container->stopping && container->kill_at <= now + milliseconds)
        return;
    probes_end(container);
    if (!container->stopping)
        begin_hook(container, milliseconds);
    else
        action_set_timeout(&container->hook, milliseconds);
    container->stopping = true;
    container->kill_at = now + milliseconds;
    /* Without a grace period there is nothing to be told: who is woken by the one signal could still be ahead of the other. */
    if (milliseconds)
        tell(container, 0);
    else
        grace_period_over(&container->timer);
    if (milliseconds && container->told)
        timer_set(&container->timer, milliseconds, grace_period_over);
}

void container_replace(struct container *container, const char *what, const char *why, int64_t grace_period) {
    log_event(container->plan->name, "unhealthy", "cause", what, "message", why, NULL);
    if (container->stopping || pod_is_stopping())
        return;
    snprintf(container->message, sizeof container->message, "%s failed: %s", what, why);
    container->unhealthy = true;
    stop_running(container, (grace_period < 0 ? container->plan->grace_period : (uint64_t)grace_period) * 1000);
    pod_container_changed();
}

void container_exchange(struct container *container, const struct container_plan *next, struct generation *generation) {
    container->next = next;
    container->next_generation = generation;
    switch (container->state) {
    case CONTAINER_WAITING:
    case CONTAINER_TERMINATED:
        container_renew(container);
        return;
    case CONTAINER_STARTING:
    case CONTAINER_RUNNING:
        stop_running(container, container->plan->grace_period * 1000);
        return;
    case CONTAINER_ENDING:
        return;
    }
}

void container_stop(struct container *container, int64_t grace_period) {
    switch (container->state) {
    case CONTAINER_WAITING:
        timer_clear(&container->timer);
        container->state = CONTAINER_TERMINATED;
        if (!container->ended) {
            container->exit_code = 128 + SIGKILL;
            container->reason = "NotStarted";
            snprintf(container->message, sizeof container->message, "stopped before it was started");
        } else {
            container->reason = container->start_code ? "StartError" : container->exit_code ? "Error" : "Completed";
        }
        pod_container_changed();
        return;
    case CONTAINER_STARTING:
    case CONTAINER_RUNNING:
        stop_running(container, (grace_period < 0 ? container->plan->grace_period : (uint64_t)grace_period) * 1000);
        return;
    case CONTAINER_ENDING:
    case CONTAINER_TERMINATED:
        return;
    }
}
