// SPDX-License-Identifier: GPL-3.0-or-later
#include "container.h"

#include "group.h"
#include "limits.h"
#include "log.h"
#include "machine.h"
#include "session.h"
#include "terminal.h"
#include "volumes.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_BACK_OFF_MS 10000
#define LAST_BACK_OFF_MS 300000
#define FORGIVEN_AFTER_MS 600000

struct decimal {
    char text[24];
};
static const char *decimal(struct decimal *decimal, long long number) {
    snprintf(decimal->text, sizeof decimal->text, "%lld", number);
    return decimal->text;
}

void container_init(struct container *container, const struct container_plan *plan, struct generation *generation) {
    *container = (struct container){.plan = plan, .generation = generation, .probing = generation, .reason = "ContainerCreating", .held_stdin = -1};
    container->report.source.fd = -1;
    container->output[0].source.fd = container->output[1].source.fd = -1;
    probes_init(container);
}

static struct tail *tail_of(struct container *container) { return container->plan->last_word_from_log ? &container->tail : NULL; }

/* The ends of PID 1 are kept in the container, those of the process are in stdio, to be closed after the fork. */
static int open_terminal(struct container *container, int stdio[3], struct error *error) {
    int terminal = terminal_open(&stdio[0], error);
    if (terminal < 0)
        return -1;
    stdio[1] = stdio[2] = stdio[0];
    return stream_open(&container->output[0], terminal, container->plan->name, "stdout", tail_of(container)) < 0 ? fail_errno(error, "terminal") : 0;
}

static int open_pipes(struct container *container, int stdio[3], struct error *error) {
    static const char *const names[] = {"stdout", "stderr"};
    int ends[2];
    for (int index = 0; index < 2; index++) {
        if (pipe2(ends, O_CLOEXEC) < 0)
            return fail_errno(error, "pipe");
        stdio[1 + index] = ends[1];
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
        if (stream_open(&container->output[index], ends[0], container->plan->name, names[index], tail_of(container)) < 0)
            return fail_errno(error, "pipe");
    }
    if (!container->plan->open_stdin) {
        stdio[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        return stdio[0] < 0 ? fail_errno(error, "/dev/null") : 0;
    }
    if (pipe2(ends, O_CLOEXEC) < 0)
        return fail_errno(error, "pipe");
    stdio[0] = ends[0];
    container->held_stdin = ends[1];
    return 0;
}

static void close_stdio(const int stdio[3]) {
    for (int index = 0; index < 3; index++)
        if (stdio[index] >= 0 && (index == 0 || stdio[index] != stdio[index - 1]))
            close(stdio[index]);
}

static void end(struct container *container, int exit_code, int signal_number);

static void be_up(struct container *container) {
    container->started = true;
    probes_begin(container);
    pod_container_changed();
}

static void post_start_done(struct action *action, const char *failure) {
    if (failure)
        container_replace(action->container, "postStart hook", failure, -1);
    else
        be_up(action->container);
}

static void report_done(struct start_report *report) {
    struct container *container = containing(report, struct container, report);
    struct decimal pid, restarts;
    struct error error;
    container->mount_namespace = report_namespace(report);
    container->start_code = report_error(report, &error);
    if (container->start_code) {
        snprintf(container->message, sizeof container->message, "%s", error.text);
        return; /* its end will be reaped */
    }
    container->state = CONTAINER_RUNNING;
    container->told_ready = true;
    container->reason = "";
    container->message[0] = 0;
    container->started_at = realtime_ns();
    container->running_since = monotonic_ms();
    log_event(container->plan->name, "started", "pid", decimal(&pid, container->pid), "restarts", decimal(&restarts, container->restarts), NULL);
    if (container->plan->post_start.count)
        action_start(&container->hook, container->plan->post_start.items, container, 0, post_start_done);
    else
        be_up(container);
    container_tell_ready(container);
    pod_container_changed();
}

static int launch(struct container *container, const struct launch_plan *plan, struct error *error) {
    const struct container_plan *wanted = container->plan;
    struct launch launch = {.plan = plan,
                            .container = wanted,
                            .argv = wanted->argv.items,
                            .workdir = wanted->workdir,
                            .user = wanted->user,
                            .stdio = {-1, -1, -1},
                            .terminal = wanted->tty};
    int opened = group_create(wanted->name, error) < 0 || volumes_share(wanted, error) < 0 ? -1 : limits_set(wanted, error);
    if (opened == 0)
        opened = wanted->tty ? open_terminal(container, launch.stdio, error) : open_pipes(container, launch.stdio, error);
    pid_t pid = opened < 0 ? -1 : process_start(&launch, &container->report, error);
    close_stdio(launch.stdio);
    return pid;
}

void container_start(struct container *container, const struct launch_plan *plan) {
    struct decimal pid, restarts;
    struct error error = {""};
    if (container->ended)
        container->restarts++;
    container->mount_namespace = 0;
    container->stopping = container->told = container->unhealthy = false;
    container->report.done = report_done;
    container->state = CONTAINER_STARTING;
    container->start_code = 0;
    container->tail.size = 0;
    container->pid = launch(container, plan, &error);
    if (container->pid < 0) {
        container->pid = 0;
        container->start_code = 128;
        snprintf(container->message, sizeof container->message, "%s", error.text);
        container->state = CONTAINER_ENDING;
        container_settle(container);
        return;
    }
    log_event(container->plan->name, "created", "pid", decimal(&pid, container->pid), "restarts", decimal(&restarts, container->restarts), NULL);
}

void container_reaped(struct container *container, int wait_status) {
    report_finish(&container->report);
    probes_end(container);
    action_cancel(&container->hook);
    if (!container->unhealthy && !container->start_code)
        container->message[0] = 0;
    container->pid = 0;
    container->signal = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0;
    container->exit_code = container->signal ? 128 + container->signal : WEXITSTATUS(wait_status);
    container->state = CONTAINER_ENDING;
    /* As where a container has a PID namespace of its own: with the main process all others go. */
    group_kill(container->plan->name, container->mount_namespace);
    container_settle(container);
}

void container_settle(struct container *container) {
    if (container->state != CONTAINER_ENDING || !group_is_empty(container->plan->name, container->mount_namespace))
        return;
    /* Nobody writes any more, unless it handed its stream to a neighbour, which is not waited for. */
    bool finished = true;
    for (int index = 0; index < 2; index++)
        finished &= stream_finish(&container->output[index]);
    if (!finished)
        return;
    if (container->held_stdin >= 0)
        close(container->held_stdin);
    container->held_stdin = -1;
    if (container->start_code)
        end(container, container->start_code, 0);
    else
        end(container, container->exit_code, container->signal);
}

static bool restart_is_due(const struct container *container) {
    if (pod_is_stopping() || container->removed)
        return false;
    if (container->again)
        return true;
    if (container->unhealthy)
        return container->plan->restart_policy != RESTART_NEVER;
    switch (container->plan->restart_policy) {
    case RESTART_ALWAYS:
        return true;
    case RESTART_ON_FAILURE:
        return container->exit_code != 0;
    case RESTART_NEVER:
        return false;
    }
    return false;
}

static void back_off_over(struct timer *timer) { pod_container_start(containing(timer, struct container, timer)); }

/* As the kubelet does it: the first restart at once, then after 10 s, 20 s, ... 5 min; who ran for ten minutes is forgiven. */
static void restart(struct container *container) {
    if (container->again || (container->running_since && monotonic_ms() - container->running_since >= FORGIVEN_AFTER_MS))
        container->back_off = 0;
    uint64_t delay = container->back_off;
    container->again = false;
    container->back_off = !delay ? FIRST_BACK_OFF_MS : delay * 2 > LAST_BACK_OFF_MS ? LAST_BACK_OFF_MS : delay * 2;
    container->state = CONTAINER_WAITING;
    if (delay) {
        container->reason = "CrashLoopBackOff";
        snprintf(container->message, sizeof container->message, "the next start is in %u s", (unsigned)(delay / 1000));
    }
    timer_set(&container->timer, delay, back_off_over);
}

void container_renew(struct container *container) {
    timer_clear(&container->timer);
    container_init(container, container->next, container->next_generation);
    pod_container_changed();
}

static void end(struct container *container, int exit_code, int signal_number) {
    struct decimal code, signal_text;
    sessions_container_ended(container->plan->name, exit_code, signal_number);
    timer_clear(&container->timer);
    container->exit_code = exit_code;
    container->signal = signal_number;
    container->ended = true;
    container->finished_at = realtime_ns();
    container->reason = container->start_code                                                     ? "StartError"
                        : limits_out_of_memory(container->plan->name) && signal_number == SIGKILL ? "OOMKilled"
                        : exit_code                                                               ? "Error"
                                                                                                  : "Completed";
    container->last.word[0] = 0;
    if (!container->start_code)
        last_word_read(container->plan, exit_code, &container->tail, container->last.word, pod_last_word_limit());
    log_event(container->plan->name, "exited", "code", decimal(&code, exit_code), "signal", decimal(&signal_text, signal_number), "reason", container->reason,
              "message", container->message, container->last.word[0] ? "said" : NULL, container->last.word, NULL);
    container->last.reason = container->reason;
    memcpy(container->last.message, container->message, sizeof container->message);
    container->last.started_at = container->start_code ? 0 : container->started_at;
    if (container->next && !pod_is_stopping())
        container_renew(container);
    else if (restart_is_due(container))
        restart(container);
    else
        container->state = CONTAINER_TERMINATED;
    container->running_since = 0;
    pod_container_changed();
}

int container_restart(struct container *container, int64_t grace_period, struct error *error) {
    if (pod_is_stopping())
        return fail(error, "the pod is stopping");
    if (container->removed)
        return fail(error, "container %s is being removed", container->plan->name);
    if (container->plan->init && !is_sidecar(container->plan))
        return fail(error, "init container %s has had its turn", container->plan->name);
    if (container->state == CONTAINER_WAITING && !container->ended)
        return fail(error, "container %s has yet to be started", container->plan->name);
    log_event(container->plan->name, "restarting", "cause", "control", NULL);
    container->again = true;
    if (container->state == CONTAINER_WAITING || container->state == CONTAINER_TERMINATED) {
        container->reason = "";
        container->message[0] = 0;
        restart(container);
        pod_container_changed();
    } else {
        container_stop(container, grace_period);
    }
    return 0;
}

bool container_is_ready(const struct container *container) {
    if (container->plan->init && !is_sidecar(container->plan))
        return container->state == CONTAINER_TERMINATED && !container->exit_code;
    return container->state == CONTAINER_RUNNING && container->passed && container->ready;
}

void container_note_ready(struct container *container) {
    if (container->was_ready == container_is_ready(container))
        return;
    container->was_ready = !container->was_ready;
    container->turned_at = realtime_ns();
}

void container_tell_ready(struct container *container) {
    if (container->told_ready == container_is_ready(container) || (container->plan->init && !is_sidecar(container->plan)))
        return;
    container->told_ready = !container->told_ready;
    log_event(container->plan->name, container->told_ready ? "ready" : "unready", "started", container->passed ? "1" : "0", "message", container->message,
              NULL);
    pod_container_changed();
}

bool container_has_failed(const struct container *container) { return container->state == CONTAINER_TERMINATED && container->exit_code; }

bool container_lets_go_on(const struct container *container) {
    if (!container->plan->init)
        return true;
    return is_sidecar(container->plan) ? container->lets_go_on : container->state == CONTAINER_TERMINATED && !container->exit_code;
}
