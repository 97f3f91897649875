// SPDX-License-Identifier: GPL-3.0-or-later
/* One container's life: started, ended, started again after a back-off, stopped. */
#ifndef CONTAINER_H
#define CONTAINER_H

#include "last_word.h"
#include "probe.h"
#include "process.h"
#include "stream.h"

enum container_state {
    CONTAINER_WAITING,  /* for its disk, or for the end of a back-off */
    CONTAINER_STARTING, /* forked; its program is not running yet */
    CONTAINER_RUNNING,
    CONTAINER_ENDING,     /* the main process is gone; the others are being killed, the last output is read */
    CONTAINER_TERMINATED, /* for good */
};

struct generation;

struct container {
    const struct container_plan *plan;
    struct generation *generation;     /* what its plan is part of (generation.h), */
    struct generation *probing;        /* and what its probes are: they change while it runs */
    const struct container_plan *next; /* by which it is begun anew as soon as it has ended; NULL */
    struct generation *next_generation;
    bool removed; /* no plan has it any more: when it has ended it is gone */
    enum container_state state;
    const char *reason;
    char message[sizeof(struct error)];

    pid_t pid;
    uint64_t mount_namespace;
    struct start_report report;
    struct stream output[2];
    int held_stdin; /* the end of a pipe that nobody writes to, when the plan wants stdin open; -1 */

    struct probe probes[PROBE_KINDS];
    struct action hook; /* postStart or preStop */
    bool passed;        /* its startup probe has succeeded, or it has none */
    bool ready;         /* its readiness probe says so, or it has none */
    bool told_ready;    /* what the log says */
    bool unhealthy;     /* it is being ended because a probe failed */
    bool again;         /* an operator wants it started anew, whatever its policy says */
    bool lets_go_on;    /* a sidecar that has come so far that those which follow it may start */

    bool started, ended; /* ever */
    int start_code;      /* of a start that failed */
    int exit_code, signal;
    uint64_t started_at, finished_at; /* nanoseconds since 1970 */
    bool was_ready;
    uint64_t turned_at; /* likewise: when that changed */
    struct {
        const char *reason;
        char message[sizeof(struct error)];
        uint64_t started_at;
        char word[LAST_WORD_LIMIT + 1];
    } last;                 /* of its last end */
    struct tail tail;       /* of both outputs, where the plan wants it */
    uint64_t running_since; /* monotonic milliseconds */
    unsigned restarts;
    uint64_t back_off;   /* milliseconds, the next one */
    bool stopping, told; /* it is to end; it was sent its stop signal */
    uint64_t kill_at;    /* monotonic milliseconds */
    struct timer timer;
};

void container_init(struct container *container, const struct container_plan *plan, struct generation *generation);
void container_start(struct container *container, const struct launch_plan *plan);
/* Its main process was reaped. */
void container_reaped(struct container *container, int wait_status);
/* Takes a container that is ENDING to its end, once nothing of it is left. */
void container_settle(struct container *container);
bool container_is_ready(const struct container *container);
/* Keeps the time of a change of that. */
void container_note_ready(struct container *container);
/* Logs a change of that. */
void container_tell_ready(struct container *container);
/* What those that follow an init container wait for. */
bool container_lets_go_on(const struct container *container);
/* Ended for good, without success. */
bool container_has_failed(const struct container *container);

/* For good. A grace period of -1 seconds is the plan's; a second call can only shorten it (stop.c). */
void container_stop(struct container *container, int64_t grace_period);
/* Ends it because of what failed and why, so that it is started anew if it may be. A grace period of -1 seconds is the plan's. */
void container_replace(struct container *container, const char *what, const char *why, int64_t grace_period);
/* Ends it, and begins it anew by another plan. */
void container_exchange(struct container *container, const struct container_plan *next, struct generation *generation);
/* The second half of that: nothing of it is left. */
void container_renew(struct container *container);
/* Ends it, if it runs, and starts it anew, whatever its policy says. A grace period of -1 seconds is the plan's. */
int container_restart(struct container *container, int64_t grace_period, struct error *error);
/* Goes on with a stop that waited for others. */
void container_stop_advance(struct container *container);

/* What a container needs of its pod (pod.c). */
void pod_container_changed(void);
void pod_container_start(struct container *container);
bool pod_is_stopping(void);
/* How long a container's last word may be. */
size_t pod_last_word_limit(void);
/* Whether it is this container's turn to be told to end. */
bool pod_may_end(const struct container *container);

#endif
