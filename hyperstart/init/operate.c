// SPDX-License-Identifier: GPL-3.0-or-later
#include "operate.h"

#include "control.h"
#include "devices.h"
#include "files.h"
#include "log.h"
#include "pod.h"
#include "sample.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define MAX_SIGNAL 64

struct kill_request {
    char *container;
    uint64_t number;
};

struct restart_request {
    char *container;
    uint64_t grace_period;
};

struct sample_request {
    uint64_t after;
};

struct release_request {
    char *serial;
};

static const struct rule kill_rules[] = {RULE(KILL_CONTAINER, FIELD_TEXT, false, kill_request, container, NULL),
                                         RULE(KILL_SIGNAL, FIELD_NUMBER, true, kill_request, number, NULL)};
static const struct form kill_form = {"KILL", sizeof(struct kill_request), kill_rules, 2, true, NULL, NULL};
static const struct rule restart_rules[] = {RULE(RESTART_CONTAINER, FIELD_TEXT, true, restart_request, container, NULL),
                                            RULE(RESTART_GRACE_PERIOD, FIELD_NUMBER, false, restart_request, grace_period, NULL)};
static const struct form restart_form = {"RESTART", sizeof(struct restart_request), restart_rules, 2, true, NULL, NULL};
static const struct rule sample_rules[] = {RULE(SAMPLE_AFTER, FIELD_NUMBER, false, sample_request, after, NULL)};
static const struct form sample_form = {"SAMPLE", sizeof(struct sample_request), sample_rules, 1, true, NULL, NULL};
static const struct rule release_rules[] = {RULE(RELEASE_SERIAL, FIELD_TEXT, true, release_request, serial, NULL)};
static const struct form release_form = {"RELEASE", sizeof(struct release_request), release_rules, 1, true, NULL, NULL};

static void answer(struct port *port, uint32_t id, int result, const struct error *error) {
    if (result < 0)
        port_send_error(port, id, error->text, 0);
    else
        port_send_ok(port, id);
}

static void send_signal(struct container *container, int number) {
    char text[16];
    snprintf(text, sizeof text, "%d", number);
    log_event(container->plan->name, "signalled", "signal", text, NULL);
    kill(container->pid, number);
}

static int kill_containers(const struct kill_request *request, struct error *error) {
    size_t sent = 0;
    if (!request->number || request->number > MAX_SIGNAL)
        return fail(error, "KILL: the signal is out of range");
    if (request->container) {
        struct container *container = pod_container(request->container);
        if (!container)
            return fail(error, "there is no container \"%.80s\"", request->container);
        if (container->state != CONTAINER_RUNNING)
            return fail(error, "container %s is not running", request->container);
        send_signal(container, (int)request->number);
        return 0;
    }
    for (size_t index = 0; index < pod.count; index++)
        if (pod.containers[index]->state == CONTAINER_RUNNING) {
            send_signal(pod.containers[index], (int)request->number);
            sent++;
        }
    return sent ? 0 : fail(error, "no container is running");
}

void operate_kill(struct port *port, struct frame *frame) {
    struct kill_request request = {0};
    struct arena arena = {NULL};
    struct error error;
    int result = form_parse(&kill_form, frame->payload, frame->size, &request, &arena, &error);
    if (result == 0)
        result = kill_containers(&request, &error);
    arena_free(&arena);
    answer(port, frame->id, result, &error);
}

static int restart_container(const struct restart_request *request, struct error *error) {
    struct container *container = pod_container(request->container);
    if (!container)
        return fail(error, "there is no container \"%.80s\"", request->container);
    if (request->grace_period != UINT64_MAX && request->grace_period > INT32_MAX)
        return fail(error, "RESTART: the grace period is out of range");
    return container_restart(container, request->grace_period == UINT64_MAX ? -1 : (int64_t)request->grace_period, error);
}

void operate_restart(struct port *port, struct frame *frame) {
    struct restart_request request = {.grace_period = UINT64_MAX};
    struct arena arena = {NULL};
    struct error error;
    int result = form_parse(&restart_form, frame->payload, frame->size, &request, &arena, &error);
    if (result == 0)
        result = restart_container(&request, &error);
    arena_free(&arena);
    answer(port, frame->id, result, &error);
}

void operate_sample(struct port *port, struct frame *frame) {
    struct sample_request request = {0};
    struct arena arena = {NULL};
    struct error error;
    uint8_t *space = port_answer_space(port);
    int result = form_parse(&sample_form, frame->payload, frame->size, &request, &arena, &error);
    arena_free(&arena);
    if (result < 0 || !space) {
        port_send_error(port, frame->id, result < 0 ? error.text : "SAMPLE: there is no room for an answer", 0);
        return;
    }
    struct writer writer = {.data = space, .capacity = FRAME_MAX_PAYLOAD};
    sample_write(&writer, request.after);
    port_commit(port, FRAME_SAMPLE, frame->id, writer.size);
}

/* Nobody but who mounts a disk opens it exclusively; and with the last to close it all is written that was to be. */
static int release_disk(const struct release_request *request, struct error *error) {
    for (size_t index = 0; index < pod.plan.volumes.count; index++)
        if (pod.plan.volumes.items[index].serial && !strcmp(pod.plan.volumes.items[index].serial, request->serial))
            return fail(error, "RELEASE: volume %s is on the disk %s", pod.plan.volumes.items[index].name, request->serial);
    const char *disk = disk_path(request->serial);
    CLOSING fd = disk ? open(disk, O_RDONLY | O_EXCL | O_CLOEXEC) : -1;
    return disk && fd < 0 ? fail_errno(error, "RELEASE: the disk %.40s", request->serial) : 0;
}

void operate_release(struct port *port, struct frame *frame) {
    struct release_request request = {NULL};
    struct arena arena = {NULL};
    struct error error;
    int result = form_parse(&release_form, frame->payload, frame->size, &request, &arena, &error);
    if (result == 0)
        result = release_disk(&request, &error);
    arena_free(&arena);
    answer(port, frame->id, result, &error);
}
