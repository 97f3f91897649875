// SPDX-License-Identifier: GPL-3.0-or-later
#include "action.h"

#include "address.h"
#include "pod.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* As much of an answer is read as the kubelet reads, so that a server is not cut off in the middle of a small one; but nobody waits long for it. */
#define MOST_RECEIVED 10240
#define LINGER_MS 200

void action_cancel(struct action *action) {
    if (!action->plan)
        return;
    timer_clear(&action->timer);
    if (action->pid) {
        /* The command leads a process group of its own; before its setsid there is only the process itself. PID 1 reaps it in any case. */
        kill(-action->pid, SIGKILL);
        kill(action->pid, SIGKILL);
        action->pid = 0;
        loop_close(&action->report.source);
    }
    loop_close(&action->source);
    action->plan = NULL;
}

__attribute__((format(printf, 2, 3))) static void end(struct action *action, const char *format, ...) {
    if (format) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(action->failure, sizeof action->failure, format, arguments);
        va_end(arguments);
    }
    action_cancel(action);
    action->done(action, format ? action->failure : NULL);
}

static void end_now(struct timer *timer) {
    struct action *action = containing(timer, struct action, timer);
    action_cancel(action);
    action->done(action, action->failure[0] ? action->failure : NULL);
}

/* For what is already known when an action starts. */
static void end_soon(struct action *action, const char *failure) {
    snprintf(action->failure, sizeof action->failure, "%s", failure);
    timer_set(&action->timer, 0, end_now);
}

static void timed_out(struct timer *timer) {
    struct action *action = containing(timer, struct action, timer);
    end(action, "timed out");
}

void action_set_timeout(struct action *action, uint64_t timeout) {
    if (action->plan && !action->judged && (!action->timer.at || action->timer.at > monotonic_ms() + timeout))
        timer_set(&action->timer, timeout, timed_out);
}

/* Keeps the beginning of what is read. False: there is no more for now, or for ever when `ended` is set. */
static bool take(struct action *action, bool *ended) {
    char data[1024];
    ssize_t got = read(action->source.fd, data, sizeof data);
    *ended = got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
    if (got <= 0)
        return false;
    size_t room = sizeof action->text - 1 - action->text_size, kept = (size_t)got < room ? (size_t)got : room;
    memcpy(action->text + action->text_size, data, kept);
    action->text_size += kept;
    action->text[action->text_size] = 0;
    action->received += (size_t)got;
    return true;
}

static void output_ready(struct source *source, uint32_t events) {
    struct action *action = containing(source, struct action, source);
    bool ended = false;
    (void)events;
    take(action, &ended);
    if (ended)
        loop_close(source);
}

static void report_done(struct start_report *report) { (void)report; }

static int start_command(struct action *action, struct error *error) {
    const struct container_plan *container = action->container->plan;
    struct launch launch = {.plan = &pod.plan,
                            .container = container,
                            .join = action->container->pid,
                            .argv = action->plan->argv.items,
                            .workdir = container->workdir,
                            .user = container->user,
                            .stdio = {open("/dev/null", O_RDONLY | O_CLOEXEC), -1, -1}};
    int ends[2];
    if (launch.stdio[0] < 0 || pipe2(ends, O_CLOEXEC) < 0) {
        close(launch.stdio[0]);
        return fail_errno(error, "streams");
    }
    launch.stdio[1] = launch.stdio[2] = ends[1];
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    action->source = (struct source){.fd = ends[0], .ready = output_ready};
    action->report.done = report_done;
    action->pid = process_start(&launch, &action->report, error);
    close(launch.stdio[0]);
    close(ends[1]);
    if (action->pid < 0)
        return action->pid = 0, -1;
    loop_watch(&action->source, EPOLLIN);
    return 0;
}

bool action_reaped(struct action *action, pid_t pid, int wait_status) {
    struct error error;
    bool ended;
    if (!action->plan || !action->pid || action->pid != pid)
        return false;
    report_finish(&action->report);
    while (action->source.fd >= 0 && action->received < MOST_RECEIVED && take(action, &ended))
        ;
    action->pid = 0;
    if (report_error(&action->report, &error))
        end(action, "%.250s", error.text);
    else if (WIFSIGNALED(wait_status))
        end(action, "was ended by signal %d", WTERMSIG(wait_status));
    else if (WEXITSTATUS(wait_status))
        end(action, "exited with %d%s%s", WEXITSTATUS(wait_status), action->text_size ? ": " : "", action->text);
    else
        end(action, NULL);
    return true;
}

static void lingered(struct timer *timer) { end_now(timer); }

/* "HTTP/1.1 200 OK": the beginning of an answer decides. */
static void judge(struct action *action) {
    static const char pattern[] = "HTTP/1.d ddd";
    if (action->judged || action->text_size < sizeof pattern)
        return;
    for (size_t index = 0; pattern[index]; index++)
        if (pattern[index] == 'd' ? !isdigit((unsigned char)action->text[index]) : action->text[index] != pattern[index]) {
            end(action, "the answer is not HTTP");
            return;
        }
    /* 200 to 399 */
    if (action->text[9] != '2' && action->text[9] != '3') {
        action->text[strcspn(action->text, "\r\n")] = 0;
        snprintf(action->failure, sizeof action->failure, "answered %s", action->text + 9);
    }
    action->judged = true;
    timer_set(&action->timer, LINGER_MS, lingered);
}

static void answer_ready(struct source *source, uint32_t events) {
    struct action *action = containing(source, struct action, source);
    bool ended = false;
    (void)events;
    while (action->received < MOST_RECEIVED && take(action, &ended))
        ;
    judge(action);
    if (!action->plan)
        return;
    if (action->judged && (ended || action->received >= MOST_RECEIVED))
        end_now(&action->timer);
    else if (ended)
        end(action, "the connection ended before an answer");
}

static void connection_ready(struct source *source, uint32_t events) {
    struct action *action = containing(source, struct action, source);
    const struct bytes *request = &action->plan->request;
    int problem = 0;
    socklen_t size = sizeof problem;
    (void)events;
    getsockopt(source->fd, SOL_SOCKET, SO_ERROR, &problem, &size);
    while (!problem && action->sent < request->size) {
        ssize_t written = send(source->fd, request->data + action->sent, request->size - action->sent, MSG_NOSIGNAL);
        if (written > 0)
            action->sent += (size_t)written;
        else if (errno == EAGAIN)
            return;
        else if (errno != EINTR)
            problem = errno;
    }
    if (problem)
        end(action, "%s", strerror(problem));
    else if (action->plan->kind == ACTION_TCP)
        end(action, NULL);
    else {
        source->ready = answer_ready;
        loop_watch(source, EPOLLIN);
    }
}

static int start_connection(struct action *action, struct error *error) {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } place = {0};
    struct address address;
    socklen_t size = sizeof place.v4;
    if (address_parse(action->plan->address, false, &address) < 0)
        return fail(error, "no address");
    place.any.sa_family = (sa_family_t)address.family;
    if (address.family == AF_INET) {
        place.v4.sin_port = htons((uint16_t)action->plan->port);
        memcpy(&place.v4.sin_addr, address.bytes, address.size);
    } else {
        size = sizeof place.v6;
        place.v6.sin6_port = htons((uint16_t)action->plan->port);
        memcpy(&place.v6.sin6_addr, address.bytes, address.size);
    }
    action->source = (struct source){.fd = socket(address.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), .ready = connection_ready};
    if (action->source.fd < 0 || (connect(action->source.fd, &place.any, size) < 0 && errno != EINPROGRESS))
        return fail_errno(error, "connecting to %s port %u", action->plan->address, (unsigned)action->plan->port);
    return loop_watch(&action->source, EPOLLOUT) < 0 ? fail_errno(error, "connecting") : 0;
}

void action_start(struct action *action, const struct action_plan *plan, struct container *container, uint64_t timeout,
                  void (*done)(struct action *action, const char *failure)) {
    struct error error = {""};
    action_cancel(action);
    *action = (struct action){.container = container, .plan = plan, .done = done, .source.fd = -1, .report.source.fd = -1};
    if (plan->kind == ACTION_SLEEP) {
        uint64_t wanted = plan->seconds * 1000;
        timer_set(&action->timer, timeout && timeout < wanted ? timeout : wanted, timeout && timeout < wanted ? timed_out : end_now);
        return;
    }
    if (timeout)
        timer_set(&action->timer, timeout, timed_out);
    if ((plan->kind == ACTION_EXEC ? start_command(action, &error) : start_connection(action, &error)) < 0)
        end_soon(action, error.text);
}
