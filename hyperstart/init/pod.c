// SPDX-License-Identifier: GPL-3.0-or-later
#include "pod.h"

#include "devices.h"
#include "files.h"
#include "log.h"
#include "machine.h"
#include "network.h"
#include "plan.h"
#include "rootfs.h"
#include "scratch.h"
#include "sysctl.h"
#include "volumes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define SERIAL_SCRATCH "hyper-scratch"

struct pod pod;
static struct arena plan_memory;
static bool *interfaces_ready;
static bool storage_ready, all_started, may_progress;

static void set_message(const char *text) {
    if (!strcmp(pod.message, text))
        return;
    snprintf(pod.message, sizeof pod.message, "%s", text);
    pod.changes++;
}

static void set_phase(enum pod_phase phase) {
    pod.phase = phase;
    pod.changes++;
}

static int read_exactly(int fd, uint8_t *data, size_t size) {
    for (size_t held = 0; held < size;) {
        ssize_t got = read(fd, data + held, size - held);
        if (got <= 0)
            return -1;
        held += (size_t)got;
    }
    return 0;
}

static void deadline_passed(struct timer *timer) {
    (void)timer;
    if (pod_is_stopping())
        return;
    pod.overdue = true;
    set_message("Pod was active on the node longer than the specified deadline");
    pod_stop("deadline", -1);
}

int pod_load(const char *path, struct error *error) {
    uint8_t header[PLAN_HEADER_SIZE];
    size_t size;
    CLOSING fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read_exactly(fd, header, sizeof header) < 0)
        return fail_errno(error, "plan: reading %s", path);
    if (plan_body_size(header, &size, error) < 0)
        return -1;
    uint8_t *body = arena_take(&plan_memory, size);
    if (!body || read_exactly(fd, body, size) < 0)
        return fail(error, "plan: %s is shorter than it says", path);
    if (plan_parse(header, body, &pod.plan, &plan_memory, error) < 0)
        return -1;
    pod.containers = arena_take(&plan_memory, pod.plan.containers.count * sizeof *pod.containers);
    interfaces_ready = arena_take(&plan_memory, pod.plan.interfaces.count * sizeof *interfaces_ready + 1);
    if (!pod.containers || !interfaces_ready)
        return fail(error, "plan: out of memory");
    for (size_t index = 0; index < pod.plan.containers.count; index++)
        container_init(&pod.containers[index], &pod.plan.containers.items[index]);
    pod.planned = true;
    static struct timer deadline;
    if (pod.plan.active_deadline)
        timer_set(&deadline, pod.plan.active_deadline * 1000, deadline_passed);
    pod.changes++;
    return 0;
}

static int set_names(struct error *error) {
    if (sethostname(pod.plan.hostname, strlen(pod.plan.hostname)) < 0)
        return fail_errno(error, "host name");
    char line[80];
    int size = snprintf(line, sizeof line, "%s\n", pod.plan.hostname);
    if (file_write(state_path("etc/hostname"), line, (size_t)size) < 0 || file_write(state_path("etc/hosts"), pod.plan.hosts.data, pod.plan.hosts.size) < 0 ||
        file_write(state_path("etc/resolv.conf"), pod.plan.resolv_conf.data, pod.plan.resolv_conf.size) < 0)
        return fail_errno(error, "writing the names of the pod");
    return 0;
}

/* 0: ready; 1: a device is missing, and said; -1. */
static int prepare_network(struct error *error) {
    static bool loopback;
    if (!loopback && (loopback_up(error) < 0 || set_names(error) < 0))
        return -1;
    loopback = true;
    for (size_t index = 0; index < pod.plan.interfaces.count; index++) {
        if (interfaces_ready[index])
            continue;
        int result = interface_configure(&pod.plan.interfaces.items[index], error);
        if (result > 0)
            fail(error, "waiting for the interface %s", pod.plan.interfaces.items[index].mac);
        if (result)
            return result;
        interfaces_ready[index] = true;
    }
    return 0;
}

static int prepare_storage(struct error *error) {
    if (storage_ready)
        return 0;
    const char *disk = disk_path(SERIAL_SCRATCH), *target = state_path("scratch");
    if (pod.plan.scratch && !machine.test) {
        if (!disk)
            return fail(error, "waiting for the disk %s", SERIAL_SCRATCH), 1;
        if (mount(disk, target, "ext4", MS_NOATIME, NULL) < 0)
            return fail_errno(error, "mounting the disk %s", SERIAL_SCRATCH);
    } else if (!pod.plan.scratch && mount("tmpfs", target, "tmpfs", 0, "mode=755") < 0) {
        return fail_errno(error, "mounting a tmpfs for the writable layers");
    }
    scratch_tidy(&pod.plan);
    if (sysctls_set(&pod.plan, error) < 0 || volumes_prepare(&pod.plan, error) < 0 || machine_prepare_skeleton(error) < 0)
        return -1;
    storage_ready = true;
    return 0;
}

static int prepare_image(const struct container_plan *plan, struct error *error) {
    if (!strncmp(plan->rootfs, "dir:", 4))
        return 0;
    const char *disk = disk_path(plan->rootfs);
    if (!disk)
        return fail(error, "waiting for the disk %s", plan->rootfs), 1;
    return rootfs_mount_image(plan->rootfs, disk, error);
}

void pod_container_start(struct container *container) { container_start(container, &pod.plan); }

void pod_progress(void) {
    struct error error = {""};
    if (!pod.planned || pod.phase >= POD_STOPPING)
        return;
    int result = prepare_network(&error);
    if (result == 0)
        result = prepare_storage(&error);
    for (size_t index = 0; result == 0 && index < pod.plan.containers.count; index++) {
        struct container *container = &pod.containers[index];
        if (container->state == CONTAINER_WAITING && !container->ended) {
            struct error missing = {""};
            result = prepare_image(container->plan, &missing);
            if (result == 0)
                container_start(container, &pod.plan);
            else
                error = missing;
            if (result > 0) /* the others need not wait for this one's disk */
                result = 0;
        }
        if (!container_lets_go_on(container))
            break;
    }
    if (result < 0)
        pod_break(error.text);
    else
        set_message(error.text);
}

void pod_break(const char *message) {
    if (pod.broken || pod_is_over())
        return;
    pod.broken = true;
    set_message(message);
    fprintf(stderr, "hyperstart: %s\n", message);
    log_event("-", "failed", "message", message, NULL);
    if (pod.phase < POD_STOPPING)
        set_phase(POD_STOPPING);
    /* What runs is stopped; the pod's end follows from theirs. */
    for (size_t index = pod.planned ? pod.plan.containers.count : 0; index-- > 0;)
        container_stop(&pod.containers[index], -1);
}

void pod_stop(const char *cause, int64_t grace_period) {
    if (pod_is_over())
        return;
    if (pod.phase < POD_STOPPING) {
        log_event("-", "stopping", "cause", cause, NULL);
        set_phase(POD_STOPPING);
    }
    for (size_t index = pod.planned ? pod.plan.containers.count : 0; index-- > 0;)
        container_stop(&pod.containers[index], grace_period);
}

bool pod_is_stopping(void) { return pod.phase >= POD_STOPPING; }

bool pod_may_end(const struct container *container) {
    if (!pod_is_stopping() || !is_sidecar(container->plan))
        return true;
    /* A sidecar serves those that were started after it. */
    for (const struct container *other = container + 1; other < pod.containers + pod.plan.containers.count; other++)
        if (other->state != CONTAINER_TERMINATED)
            return false;
    return true;
}

bool pod_is_over(void) { return pod.phase == POD_SUCCEEDED || pod.phase == POD_FAILED; }

bool pod_is_starting(void) {
    for (size_t index = 0; pod.planned && index < pod.plan.containers.count; index++)
        if (pod.containers[index].state == CONTAINER_STARTING)
            return true;
    return false;
}

bool pod_reaped(pid_t pid, int wait_status) {
    for (size_t index = 0; pod.planned && index < pod.plan.containers.count; index++)
        if (pod.containers[index].pid == pid) {
            container_reaped(&pod.containers[index], wait_status);
            return true;
        } else if (probes_reaped(&pod.containers[index], pid, wait_status) || action_reaped(&pod.containers[index].hook, pid, wait_status)) {
            return true;
        }
    return false;
}

void pod_container_changed(void) {
    bool tried = true, started = true;
    pod.changes++;
    may_progress = true;
    for (size_t index = 0; index < pod.plan.containers.count; index++) {
        started &= pod.containers[index].started;
        tried &= pod.containers[index].started || pod.containers[index].ended;
    }
    if (started && !all_started) {
        all_started = true;
        log_event("-", "running", NULL);
    }
    if (tried && pod.phase == POD_PENDING)
        set_phase(POD_RUNNING);
}

static void log_end(const struct container *container) {
    char code[16], signal_text[16], restarts[16];
    snprintf(code, sizeof code, "%d", container->exit_code);
    snprintf(signal_text, sizeof signal_text, "%d", container->signal);
    snprintf(restarts, sizeof restarts, "%u", container->restarts);
    log_event(container->plan->name, "end", "code", code, "signal", signal_text, "restarts", restarts, "reason", container->reason, NULL);
}

/* What the pod was made for has come to its end: every container but the sidecars, or an init container without which the others cannot start. */
static bool work_is_done(void) {
    for (size_t index = 0; index < pod.plan.containers.count; index++) {
        const struct container *container = &pod.containers[index];
        if (container->plan->init && container_has_failed(container))
            return true;
        if (!is_sidecar(container->plan) && container->state != CONTAINER_TERMINATED)
            return false;
    }
    return true;
}

void pod_settle(void) {
    size_t count = pod.planned ? pod.plan.containers.count : 0;
    bool terminated = true, succeeded = pod.planned && !pod.broken && !pod.overdue;
    if (pod_is_over())
        return;
    for (size_t index = 0; index < count; index++)
        container_settle(&pod.containers[index]);
    while (may_progress) {
        may_progress = false;
        pod_progress();
    }
    if (pod.planned && !pod_is_stopping() && work_is_done())
        pod_stop("completed", -1);
    for (size_t index = count; index-- > 0;)
        container_stop_advance(&pod.containers[index]);
    for (size_t index = 0; index < count; index++) {
        terminated &= pod.containers[index].state == CONTAINER_TERMINATED;
        succeeded &= pod.containers[index].exit_code == 0 || is_sidecar(pod.containers[index].plan);
    }
    if (!terminated || (!pod.planned && !pod_is_stopping()))
        return;
    for (size_t index = 0; index < count; index++)
        log_end(&pod.containers[index]);
    set_phase(succeeded ? POD_SUCCEEDED : POD_FAILED);
    log_event("-", "poweroff", "phase", succeeded ? "Succeeded" : "Failed", NULL);
}

struct container *pod_container(const char *name) {
    for (size_t index = 0; pod.planned && index < pod.plan.containers.count; index++)
        if (name ? !strcmp(pod.containers[index].plan->name, name) : !pod.containers[index].plan->init)
            return &pod.containers[index];
    return NULL;
}
