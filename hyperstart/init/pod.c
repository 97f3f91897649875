// SPDX-License-Identifier: GPL-3.0-or-later
#include "pod.h"

#include "devices.h"
#include "files.h"
#include "images.h"
#include "leases.h"
#include "log.h"
#include "machine.h"
#include "network.h"
#include "scratch.h"
#include "secrets.h"
#include "storage_limit.h"
#include "sysctl.h"
#include "volume_disks.h"
#include "volume_nfs.h"
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
/* In seconds, as the kubelet grants it to who fills a disk. */
#define EVICTION_GRACE_PERIOD 1

struct pod pod;
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

static void fail_all(const char *reason, const char *message, const char *cause, int64_t grace_period) {
    if (pod_is_stopping())
        return;
    pod.failure = reason;
    set_message(message);
    pod_stop(cause, grace_period);
}

static void deadline_passed(struct timer *timer) {
    (void)timer;
    fail_all("DeadlineExceeded", "Pod was active on the node longer than the specified deadline", "deadline", -1);
}

void pod_evict(const char *message) { fail_all("Evicted", message, "evicted", EVICTION_GRACE_PERIOD); }

void pod_begin(void) {
    pod.started_at = realtime_ns();
    log_event("-", "boot", "version", VERSION, NULL);
}

static bool none_in_use(const struct generation *generation) { return !generation; }

static int load_generation(const char *path, const char *secrets_path, struct error *error) {
    struct bytes secrets = {NULL, 0};
    if (secrets_path && generation_read_secrets(secrets_path, &secrets, error) < 0)
        return -1;
    pod.generation = generation_read(path, &secrets, error);
    if (secrets.size)
        explicit_bzero((void *)(uintptr_t)secrets.data, secrets.size);
    free((void *)(uintptr_t)secrets.data);
    if (!pod.generation)
        return -1;
    if (!pod.generation->plan.secrets || secrets_path)
        return 0;
    generations_tidy(none_in_use);
    pod.generation = NULL;
    fail(error, "waiting for the disk %s", SERIAL_SECRETS);
    set_message(error->text);
    return 1;
}

int pod_load(const char *path, const char *secrets_path, struct error *error) {
    int result = load_generation(path, secrets_path, error);
    if (result)
        return result;
    pod.plan = pod.generation->plan;
    pod.plan_path = strdup(path);
    pod.containers = calloc(pod.plan.containers.count, sizeof *pod.containers);
    interfaces_ready = calloc(pod.plan.interfaces.count + 1, sizeof *interfaces_ready);
    if (!pod.plan_path || !pod.containers || !interfaces_ready)
        return fail(error, "plan: out of memory");
    for (; pod.count < pod.plan.containers.count; pod.count++) {
        struct container *container = calloc(1, sizeof *container);
        if (!container)
            return fail(error, "plan: out of memory");
        container_init(container, &pod.plan.containers.items[pod.count], pod.generation);
        pod.containers[pod.count] = container;
    }
    pod.planned = true;
    static struct timer deadline;
    if (pod.plan.active_deadline)
        timer_set(&deadline, pod.plan.active_deadline * 1000, deadline_passed);
    pod.changes++;
    return 0;
}

static int set_names(struct error *error) {
    return sethostname(pod.plan.hostname, strlen(pod.plan.hostname)) < 0 ? fail_errno(error, "host name") : names_write(error);
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
        if (leases_begin(index, error) < 0)
            return -1;
    }
    return 0;
}

static int prepare_storage(struct error *error) {
    if (storage_ready)
        return 0;
    const char *missing = volume_disk_missing(&pod.plan);
    const char *disk = disk_path(SERIAL_SCRATCH), *target = state_path("scratch");
    if (missing)
        return fail(error, "waiting for the disk %s", missing), 1;
    if (pod.plan.scratch && !machine.test) {
        if (!disk)
            return fail(error, "waiting for the disk %s", SERIAL_SCRATCH), 1;
        if (mount(disk, target, "ext4", MS_NOATIME, EXT4_OPTIONS) < 0)
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

void pod_container_start(struct container *container) { container_start(container, &pod.plan); }

void pod_progress(void) {
    struct error error = {""};
    if (!pod.planned || pod.phase >= POD_STOPPING)
        return;
    int result = prepare_network(&error);
    if (result == 0)
        result = prepare_storage(&error);
    if (result == 0)
        result = leases_missing(&error);
    if (result == 0)
        result = volumes_nfs_missing(&pod.plan, &error);
    for (size_t index = 0; result == 0 && index < pod.count; index++) {
        struct container *container = pod.containers[index];
        if (container->state == CONTAINER_WAITING && !container->ended && !container->removed) {
            struct error missing = {""};
            result = image_prepare(container->plan->rootfs, &pod.plan, &missing);
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
    for (size_t index = pod.count; index-- > 0;)
        container_stop(pod.containers[index], -1);
}

void pod_stop(const char *cause, int64_t grace_period) {
    if (pod_is_over())
        return;
    if (pod.phase < POD_STOPPING) {
        log_event("-", "stopping", "cause", cause, pod.failure ? "message" : NULL, pod.message, NULL);
        set_phase(POD_STOPPING);
    }
    for (size_t index = pod.count; index-- > 0;)
        container_stop(pod.containers[index], grace_period);
}

size_t pod_last_word_limit(void) {
    size_t share = LAST_WORDS_LIMIT / pod.count;
    return share < LAST_WORD_LIMIT ? share : LAST_WORD_LIMIT;
}

bool pod_is_stopping(void) { return pod.phase >= POD_STOPPING; }

bool pod_may_end(const struct container *container) {
    if (!pod_is_stopping() || !is_sidecar(container->plan))
        return true;
    /* A sidecar serves those that were started after it. */
    bool after = false;
    for (size_t index = 0; index < pod.count; index++) {
        if (after && pod.containers[index]->state != CONTAINER_TERMINATED)
            return false;
        after |= pod.containers[index] == container;
    }
    return true;
}

bool pod_is_over(void) { return pod.phase == POD_SUCCEEDED || pod.phase == POD_FAILED; }

bool pod_is_starting(void) {
    for (size_t index = 0; index < pod.count; index++)
        if (pod.containers[index]->state == CONTAINER_STARTING)
            return true;
    return false;
}

bool pod_reaped(pid_t pid, int wait_status) {
    if (volumes_nfs_reaped(pid, wait_status)) {
        may_progress = true;
        return true;
    }
    for (size_t index = 0; index < pod.count; index++)
        if (pod.containers[index]->pid == pid) {
            container_reaped(pod.containers[index], wait_status);
            return true;
        } else if (probes_reaped(pod.containers[index], pid, wait_status) || action_reaped(&pod.containers[index]->hook, pid, wait_status)) {
            return true;
        }
    return false;
}

void pod_container_changed(void) {
    bool tried = true, started = true;
    pod.changes++;
    may_progress = true;
    for (size_t index = 0; index < pod.count; index++) {
        struct container *container = pod.containers[index];
        started &= (container->started && !container->next) || container->removed;
        tried &= container->started || container->ended || container->removed;
        container_note_ready(container);
    }
    if (started && !all_started)
        log_event("-", "running", NULL);
    all_started = started;
    if (tried && pod.phase == POD_PENDING)
        set_phase(POD_RUNNING);
    storage_limits_watch();
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
    for (size_t index = 0; index < pod.count; index++) {
        const struct container *container = pod.containers[index];
        if (container->removed)
            continue;
        if (container->plan->init && container_has_failed(container))
            return true;
        if (!is_sidecar(container->plan) && container->state != CONTAINER_TERMINATED)
            return false;
    }
    return true;
}

/* Those that no plan has any more, and that have ended. */
static void forget_removed(void) {
    for (size_t index = pod.count; index-- > 0;) {
        struct container *container = pod.containers[index];
        if (!container->removed || container->state != CONTAINER_TERMINATED)
            continue;
        log_event(container->plan->name, "removed", NULL);
        memmove(&pod.containers[index], &pod.containers[index + 1], (--pod.count - index) * sizeof *pod.containers);
        free(container);
        pod.changes++;
    }
}

void pod_settle(void) {
    size_t count = pod.count;
    bool terminated = true, succeeded = pod.planned && !pod.broken && !pod.failure;
    if (pod_is_over())
        return;
    for (size_t index = 0; index < count; index++)
        container_settle(pod.containers[index]);
    forget_removed();
    count = pod.count;
    while (may_progress) {
        may_progress = false;
        pod_progress();
    }
    if (pod.planned && !pod_is_stopping() && work_is_done())
        pod_stop("completed", -1);
    for (size_t index = count; index-- > 0;)
        container_stop_advance(pod.containers[index]);
    for (size_t index = 0; index < count; index++) {
        terminated &= pod.containers[index]->state == CONTAINER_TERMINATED;
        succeeded &= pod.containers[index]->exit_code == 0 || is_sidecar(pod.containers[index]->plan) || pod.containers[index]->removed;
    }
    if (!terminated || (!pod.planned && !pod_is_stopping()))
        return;
    for (size_t index = 0; index < count; index++)
        if (!pod.containers[index]->removed)
            log_end(pod.containers[index]);
    set_phase(succeeded ? POD_SUCCEEDED : POD_FAILED);
    log_event("-", "poweroff", "phase", succeeded ? "Succeeded" : "Failed", NULL);
}

struct container *pod_container(const char *name) {
    for (size_t index = 0; index < pod.count; index++)
        if (pod.containers[index]->removed)
            continue;
        else if (name ? !strcmp(pod.containers[index]->plan->name, name) : !pod.containers[index]->plan->init)
            return pod.containers[index];
    return NULL;
}
