// SPDX-License-Identifier: GPL-3.0-or-later
#include "storage_limit.h"

#include "files.h"
#include "loop.h"
#include "machine.h"
#include "pod.h"
#include "scratch.h"
#include "syscalls.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOON_MS 1000
#define PERIOD_MS 10000
/* What lies deeper is not counted: each level takes memory. */
#define MAX_DEPTH 1024
#define BLOCK 512

static struct timer timer;
static struct source report = {.fd = -1};

/* The bytes of a disk that `name` takes with all that is in it. A file of several names is divided by them: all lie in the one layer. */
static uint64_t usage(int parent, const char *name, const dev_t *device, unsigned depth) {
    struct stat status;
    if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) < 0 || (device && status.st_dev != *device))
        return 0;
    uint64_t sum = (uint64_t)status.st_blocks * BLOCK;
    if (!S_ISDIR(status.st_mode))
        return status.st_nlink ? sum / status.st_nlink : 0;
    int directory = depth < MAX_DEPTH ? openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    DIR *entries = directory < 0 ? NULL : fdopendir(directory);
    if (!entries) {
        close_at_end(&directory);
        return sum;
    }
    for (struct dirent *entry; (entry = readdir(entries));)
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            sum += usage(directory, entry->d_name, &status.st_dev, depth + 1);
    closedir(entries);
    return sum;
}

/* Who has ended for good writes no more. */
static bool has_limit(const struct container *container) {
    return container->plan->storage_limit && !container->removed && container->state != CONTAINER_TERMINATED;
}

/* In the words of the kubelet, about the first container that holds too much. */
static void say_excess(int fd) {
    static const struct {
        uint64_t size;
        const char *name;
    } units[] = {{1 << 30, "Gi"}, {1 << 20, "Mi"}, {1, ""}};
    for (size_t index = 0; index < pod.count; index++) {
        const struct container_plan *plan = pod.containers[index]->plan;
        struct error error;
        size_t unit = 0;
        if (!has_limit(pod.containers[index]) ||
            usage(AT_FDCWD, state_path("scratch/containers/%s/%s/upper", plan->name, scratch_layer(plan)), NULL, 0) <= plan->storage_limit)
            continue;
        while (plan->storage_limit % units[unit].size)
            unit++;
        fail(&error, "Container %s exceeded its local ephemeral storage limit \"%" PRIu64 "%s\". ", plan->name, plan->storage_limit / units[unit].size,
             units[unit].name);
        if (write(fd, error.text, strlen(error.text)) < 0)
            _exit(1);
        return;
    }
}

/* A process of its own, behind all others: a layer may hold any number of files, and PID 1 waits for nothing. Should memory be short, it goes first. */
static _Noreturn void child(int fd) {
    /* What it was born with would keep streams open that PID 1 closes. */
    dup2(fd, 3);
    sys_close_range(4, ~0u, 0);
    setpriority(PRIO_PROCESS, 0, 19);
    if (!machine.test)
        word_write("/proc/self/oom_score_adj", "1000");
    say_excess(3);
    _exit(0);
}

static void look(struct timer *due);

static void look_again(uint64_t milliseconds) {
    bool wanted = false;
    for (size_t index = 0; index < pod.count; index++)
        wanted |= has_limit(pod.containers[index]);
    if (wanted && !pod_is_stopping())
        timer_set(&timer, milliseconds, look);
}

static void report_ready(struct source *source, uint32_t events) {
    struct error error;
    (void)events;
    /* It comes whole, or not at all. */
    ssize_t got = read(source->fd, error.text, sizeof error.text - 1);
    if (got < 0)
        return;
    loop_close(source);
    error.text[got] = 0;
    if (got)
        pod_evict(error.text);
    else
        look_again(PERIOD_MS);
}

static void look(struct timer *due) {
    int ends[2];
    (void)due;
    if (pod_is_stopping())
        return;
    if (pipe2(ends, O_CLOEXEC) < 0) {
        look_again(PERIOD_MS);
        return;
    }
    if (fork() == 0)
        child(ends[1]);
    /* Without a child the pipe is at its end. */
    close(ends[1]);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    report = (struct source){.fd = ends[0], .ready = report_ready};
    loop_watch(&report, EPOLLIN);
}

void storage_limits_watch(void) {
    /* Never later because of a change, however often they come. */
    if (report.fd < 0 && (!timer.at || timer.at > monotonic_ms() + SOON_MS))
        look_again(SOON_MS);
}
