// SPDX-License-Identifier: GPL-3.0-or-later
#include "template.h"

#include "control.h"
#include "files.h"
#include "log.h"
#include "modules.h"
#include "pod.h"

#include <fcntl.h>
#include <linux/random.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 60000

struct begin {
    uint64_t time;
    struct bytes seed;
};

static const struct rule begin_rules[] = {RULE(BEGIN_TIME, FIELD_NUMBER, true, begin, time, NULL), RULE(BEGIN_SEED, FIELD_BYTES, true, begin, seed, NULL)};
static const struct form begin_form = {"BEGIN", sizeof(struct begin), begin_rules, 2, true, NULL, NULL};

static struct {
    bool waits, ready;
    struct timer patience;
} template;

void template_wait(void) { template.waits = true; }

bool template_waits(void) { return template.waits; }

/*
 * Who made this copy is gone. It cannot go on by itself, since it would draw the same random numbers as others. The panic that follows ends QEMU with
 * a failure, and the pod is started anew by who looks after it.
 */
static void give_up(struct timer *timer) {
    (void)timer;
    _exit(1);
}

void template_settle(void) {
    if (!template.waits || template.ready || !ports_complete() || !log_is_open())
        return;
    template.ready = true;
    /* Those that can wait: for a copy they are free. */
    modules_load_part();
    timer_set(&template.patience, PATIENCE_MS, give_up);
    log_event("-", "template", "version", VERSION, NULL);
}

/* Copies have one state of the generator: mixed with what only this one was given, it is its own. */
static int renew_random(const struct bytes *seed, struct error *error) {
    union {
        struct rand_pool_info info;
        uint8_t space[sizeof(struct rand_pool_info) + BEGIN_SEED_SIZE];
    } pool = {.info = {.entropy_count = 8 * BEGIN_SEED_SIZE, .buf_size = BEGIN_SEED_SIZE}};
    if (seed->size != BEGIN_SEED_SIZE)
        return fail(error, "BEGIN: the seed has to have %d bytes", BEGIN_SEED_SIZE);
    memcpy(pool.info.buf, seed->data, BEGIN_SEED_SIZE);
    CLOSING fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, RNDADDENTROPY, &pool) < 0 || ioctl(fd, RNDRESEEDCRNG) < 0)
        return fail_errno(error, "BEGIN: the random number generator");
    return 0;
}

static int renew(const struct begin *begin, struct error *error) {
    struct timespec now = {.tv_sec = (time_t)(begin->time / 1000000000u), .tv_nsec = (long)(begin->time % 1000000000u)};
    if (!template.ready)
        return fail(error, "BEGIN: this guest is no copy of a template");
    if (renew_random(&begin->seed, error) < 0)
        return -1;
    if (clock_settime(CLOCK_REALTIME, &now) < 0)
        return fail_errno(error, "BEGIN: the clock");
    return 0;
}

void template_begin(struct port *port, struct frame *frame) {
    struct begin begin = {0};
    struct arena arena = {NULL};
    struct error error;
    int result = form_parse(&begin_form, frame->payload, frame->size, &begin, &arena, &error);
    if (result == 0)
        result = renew(&begin, &error);
    arena_free(&arena);
    if (result < 0) {
        port_send_error(port, frame->id, error.text, 0);
        return;
    }
    timer_clear(&template.patience);
    template.waits = template.ready = false;
    pod_begin();
    port_send_ok(port, frame->id);
    /* The pod's own disks and NICs are in the copy's machine, and its kernel has not looked for them yet. */
    if (word_write("/sys/bus/pci/rescan", "1") < 0)
        pod_break("looking for devices failed");
}
