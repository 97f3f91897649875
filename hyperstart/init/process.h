// SPDX-License-Identifier: GPL-3.0-or-later
/* From a fork of PID 1 to a program of a container, and the word that comes back about it. */
#ifndef PROCESS_H
#define PROCESS_H

#include "launch_plan.h"
#include "loop.h"

#include <sys/types.h>

struct launch {
    const struct launch_plan *plan;
    const struct container_plan *container;
    pid_t join; /* of the container's main process; 0: this will be the main process */
    char *const *argv;
    const struct texts *env; /* on top of the container's; may be NULL */
    const char *workdir, *user;
    int stdio[3];
    bool guest;                        /* with join: in PID 1's own namespaces, the container is only the root directory; nothing is taken from root */
    bool terminal;                     /* stdio is a terminal, to be the controlling one */
    int (*instead)(char *const *argv); /* run in the container as its root in place of a program; returns the exit code */
};

/* How a start went: what arrives through a pipe that a successful exec closes. */
struct start_report {
    struct source source;
    uint8_t data[640];
    size_t size;
    /* Called once, at the end. */
    void (*done)(struct start_report *report);
};

/* Forks; the report's `ready` is set and watched. */
pid_t process_start(const struct launch *launch, struct start_report *report, struct error *error);
/* Reads what there is; the process is known to be gone. Calls done, if it was not called before. */
void report_finish(struct start_report *report);

uint64_t report_namespace(const struct start_report *report);
/* 0: started; otherwise an exit code for what went wrong (127 not found, 126 not executable, 128), and the message. */
int report_error(const struct start_report *report, struct error *error);

#endif
