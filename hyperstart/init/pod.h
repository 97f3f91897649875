// SPDX-License-Identifier: GPL-3.0-or-later
/* The pod: its plan, its containers, its phase. */
#ifndef POD_H
#define POD_H

#include "container.h"
#include "generation.h"

enum pod_phase { POD_PENDING, POD_RUNNING, POD_STOPPING, POD_SUCCEEDED, POD_FAILED };

struct pod {
    bool planned;
    struct launch_plan plan;       /* the generation's */
    struct generation *generation; /* the plan that counts */
    const char *plan_path;
    struct container **containers; /* in the plan's order, and behind them those that are about to go */
    size_t count;
    enum pod_phase phase;
    char message[sizeof(struct error)];
    unsigned changes;    /* counts, so that watchers know */
    bool broken;         /* the plan could not be carried out */
    uint64_t started_at; /* nanoseconds since 1970 */
    const char *failure; /* why it has failed whatever its containers end with: the reason of its status; NULL */
};
extern struct pod pod;

/* A life begins. */
void pod_begin(void);
/* Reads the plan when its disk (or, in a test, file) is there, and the values of secrets from theirs (NULL: it is not there). 1: that is waited for. */
int pod_load(const char *path, const char *secrets_path, struct error *error);
/* Goes on with what has become possible: devices have come. */
void pod_progress(void);
/* The end of the pod because nothing better can be done. */
void pod_break(const char *message);

void pod_stop(const char *cause, int64_t grace_period);
/* Ends it because it took more of the disk than it may. */
void pod_evict(const char *message);
/* A child of PID 1 ended. False: it is none of the containers' main processes. */
bool pod_reaped(pid_t pid, int wait_status);
/* After every batch of events. */
void pod_settle(void);
bool pod_is_over(void);
/* Whether a container is on its way, for which all else can wait. */
bool pod_is_starting(void);

struct container *pod_container(const char *name);
void pod_status(struct writer *writer);

#endif
