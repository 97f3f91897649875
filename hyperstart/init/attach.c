// SPDX-License-Identifier: GPL-3.0-or-later
#include "session_parts.h"
#include "terminal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define OUTPUT_LIMIT (128 * 1024)

int session_attach(struct session *session, const struct request *request, struct error *error) {
    struct container *container = pod_container(request->container);
    if (!container)
        return fail(error, "there is no container \"%.80s\"", request->container ? request->container : "");
    if (container->state != CONTAINER_RUNNING)
        return fail(error, "container %s is not running", container->plan->name);
    session->attached = container;
    int terminal = container->plan->tty ? container->output[0].source.fd : -1;
    if (terminal >= 0 && request->rows)
        terminal_resize(terminal, request->rows, request->columns);
    if (!request->with_stdin)
        return 0;
    if (!container->plan->open_stdin)
        return fail(error, "container %s has no stdin", container->plan->name);
    if (terminal < 0 && container->held_stdin < 0)
        return fail(error, "the stdin of container %s is closed: it was for one client", container->plan->name);
    int input = fcntl(terminal >= 0 ? terminal : container->held_stdin, F_DUPFD_CLOEXEC, 3);
    session->owed = STDIN_CREDIT;
    return input < 0 ? fail_errno(error, "stdin") : session_open_input(session, input, error);
}

/* Of a container whose stdin is for one client: when no other is left that could write to it, it is at its end. */
void session_leave_stdin(const struct session *session) {
    struct container *container = session->attached;
    if (!container || !session->stdin_data || !container->plan->stdin_once || container->held_stdin < 0)
        return;
    for (const struct session *other = sessions; other; other = other->next)
        if (other != session && other->attached == container && other->input.fd >= 0)
            return;
    close(container->held_stdin);
    container->held_stdin = -1;
}

static void tell_lost(struct session *session) {
    char note[96];
    int size = snprintf(note, sizeof note, "\r\n[%zu bytes came too fast to be shown; the log has them]\r\n", session->lost);
    session->lost = 0;
    port_send(session->port, FRAME_STDERR, session->id, note, (size_t)size);
}

void sessions_output(const char *container, bool is_stderr, const void *data, size_t size) {
    for (struct session *session = sessions; session; session = session->next) {
        if (!session->attached || strcmp(session->attached->plan->name, container))
            continue;
        /* Who reads slowly keeps neither the container nor the log waiting. */
        uint8_t *space = session->lost && port_room(session->port) < OUTPUT_LIMIT / 2 ? NULL : port_reserve(session->port, size);
        if (!space) {
            session->lost += size;
            continue;
        }
        if (session->lost) {
            tell_lost(session);
            space = port_reserve(session->port, size);
        }
        if (!space) {
            session->lost = size;
            continue;
        }
        memcpy(space, data, size);
        port_commit(session->port, is_stderr ? FRAME_STDERR : FRAME_STDOUT, session->id, size);
    }
}

void sessions_container_ended(const char *container, int exit_code, int signal_number) {
    for (struct session *session = sessions, *next; session; session = next) {
        next = session->next;
        if (!session->attached || strcmp(session->attached->plan->name, container))
            continue;
        if (session->lost)
            tell_lost(session);
        port_send_fields(session->port, FRAME_EXIT, session->id, EXIT_CODE, (uint64_t)exit_code, EXIT_SIGNAL, (uint64_t)signal_number);
        session_drop(session);
    }
}
