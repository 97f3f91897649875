// SPDX-License-Identifier: GPL-3.0-or-later
/* The one event loop: file descriptors that become ready, and timers. Nothing in it blocks. */
#ifndef LOOP_H
#define LOOP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#define containing(pointer, type, member) ((type *)(void *)((char *)(pointer) - offsetof(type, member)))

struct source {
    int fd; /* -1: closed */
    uint32_t events;
    void (*ready)(struct source *source, uint32_t events);
};

/* Events 0 forgets the source (a mere mask of 0 would still report hang-ups, for ever). Setting again what is set looks for readiness anew, also with EPOLLET.
 */
int loop_watch(struct source *source, uint32_t events);
/* Forgets and closes; harmless when it is closed. */
void loop_close(struct source *source);

struct timer {
    uint64_t at; /* milliseconds of the monotonic clock; 0: not set */
    void (*fire)(struct timer *timer);
    struct timer *next;
};

void timer_set(struct timer *timer, uint64_t milliseconds, void (*fire)(struct timer *timer));
void timer_clear(struct timer *timer);

uint64_t monotonic_ms(void);
uint64_t realtime_ns(void);

int loop_open(void);
/* For ever; `after` runs once after every batch of events. */
_Noreturn void loop_run(void (*after)(void));

#endif
