// SPDX-License-Identifier: GPL-3.0-or-later
/* Something that is done about a container and either succeeds or fails: a command in it, a connection, an HTTP request, a pause. */
#ifndef ACTION_H
#define ACTION_H

#include "launch_plan.h"
#include "loop.h"
#include "process.h"

#include <sys/types.h>

#define ACTION_TEXT 256

struct container;

struct action {
    struct container *container;
    const struct action_plan *plan; /* NULL: nothing is going on */
    struct timer timer;
    pid_t pid; /* of a command */
    struct start_report report;
    struct source source; /* a command's output, or the connection */
    size_t sent, received;
    char text[ACTION_TEXT]; /* what the command said, or how the answer begins */
    size_t text_size;
    bool judged; /* the answer has begun; the rest is only waited for */
    char failure[sizeof(struct error)];
    /* Called once, unless the action is cancelled. failure: why, or NULL. */
    void (*done)(struct action *action, const char *failure);
};

/* timeout: milliseconds, 0: none. Never calls `done` before it returns. */
void action_start(struct action *action, const struct action_plan *plan, struct container *container, uint64_t timeout,
                  void (*done)(struct action *action, const char *failure));
void action_cancel(struct action *action);
/* From now on; for an action that is going on. */
void action_set_timeout(struct action *action, uint64_t timeout);
/* A child of PID 1 ended. False: it is not this action's. */
bool action_reaped(struct action *action, pid_t pid, int wait_status);

#endif
