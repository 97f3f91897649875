// SPDX-License-Identifier: GPL-3.0-or-later
#include "loop.h"

#include <errno.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BATCH 32

static int epoll_fd = -1;
static struct epoll_event batch[BATCH];
static int batch_size;
static struct timer *timers;

int loop_open(void) {
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return epoll_fd < 0 ? -1 : 0;
}

int loop_watch(struct source *source, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = source};
    if (source->fd < 0 || (!events && !source->events))
        return 0;
    if (!events) {
        /* Its events of this batch are void too: the source may be freed now. */
        for (int index = 0; index < batch_size; index++)
            if (batch[index].data.ptr == source)
                batch[index].data.ptr = NULL;
        source->events = 0;
        return epoll_ctl(epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
    }
    int operation = source->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(epoll_fd, operation, source->fd, &event) < 0)
        return -1;
    source->events = events;
    return 0;
}

void loop_close(struct source *source) {
    if (source->fd < 0)
        return;
    loop_watch(source, 0);
    close(source->fd);
    source->fd = -1;
}

static uint64_t clock_ns(clockid_t clock) {
    struct timespec now;
    /* By the kernel's own call: to find the vdso and to map it costs an emulated boot more than all that it would save. */
    syscall(SYS_clock_gettime, clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t monotonic_ms(void) { return clock_ns(CLOCK_MONOTONIC) / 1000000; }

uint64_t realtime_ns(void) { return clock_ns(CLOCK_REALTIME); }

void timer_set(struct timer *timer, uint64_t milliseconds, void (*fire)(struct timer *timer)) {
    timer_clear(timer);
    timer->at = monotonic_ms() + milliseconds;
    timer->fire = fire;
    timer->next = timers;
    timers = timer;
}

void timer_clear(struct timer *timer) {
    if (!timer->at)
        return;
    for (struct timer **link = &timers; *link; link = &(*link)->next)
        if (*link == timer) {
            *link = timer->next;
            break;
        }
    timer->at = 0;
}

static struct timer *earliest(void) {
    struct timer *first = timers;
    for (struct timer *timer = timers; timer; timer = timer->next)
        if (timer->at < first->at)
            first = timer;
    return first;
}

static int time_left(void) {
    struct timer *first = earliest();
    if (!first)
        return -1;
    uint64_t now = monotonic_ms();
    if (first->at <= now)
        return 0;
    return first->at - now > 60000 ? 60000 : (int)(first->at - now);
}

static void fire_timers(void) {
    uint64_t now = monotonic_ms();
    for (struct timer *timer = earliest(); timer && timer->at <= now; timer = earliest()) {
        timer_clear(timer);
        timer->fire(timer);
    }
}

void loop_run(void (*after)(void)) {
    for (;;) {
        batch_size = epoll_wait(epoll_fd, batch, BATCH, time_left());
        for (int index = 0; index < batch_size; index++) {
            struct source *source = batch[index].data.ptr;
            if (source)
                source->ready(source, batch[index].events);
        }
        batch_size = 0;
        if (timers)
            fire_timers();
        after();
    }
}
