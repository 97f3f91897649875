// SPDX-License-Identifier: GPL-3.0-or-later
#include "session_parts.h"
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* False: the port is full. */
bool session_pass_output(struct session *session, int stream) {
    struct source *source = &session->output[stream];
    size_t room = port_room(session->port);
    if (source->fd < 0)
        return true;
    if (room < LEAST_OUTPUT) {
        session->blocked[stream] = true;
        loop_watch(source, 0);
        return false;
    }
    size_t size = room < FRAME_MAX_PAYLOAD ? room : FRAME_MAX_PAYLOAD;
    uint8_t *space = port_reserve(session->port, size);
    ssize_t got = space ? read(source->fd, space, size) : -1;
    if (got > 0)
        port_commit(session->port, stream ? FRAME_STDERR : FRAME_STDOUT, session->id, (size_t)got);
    else if (got == 0 || (errno != EAGAIN && errno != EINTR) || session->reaped)
        loop_close(source); /* whoever still holds the other end is not waited for */
    return true;
}

static void stdout_ready(struct source *source, uint32_t events) {
    (void)events;
    session_pass_output(containing(source, struct session, output[0]), 0);
}

static void stderr_ready(struct source *source, uint32_t events) {
    (void)events;
    session_pass_output(containing(source, struct session, output[1]), 1);
}

static int open_null(int stdio[3], struct error *error) {
    for (int index = 0; index < 3; index++)
        if ((stdio[index] = open("/dev/null", O_RDWR | O_CLOEXEC)) < 0)
            return fail_errno(error, "/dev/null");
    return 0;
}

static int open_terminal(struct session *session, const struct request *request, int stdio[3], struct error *error) {
    int terminal = terminal_open(&stdio[0], error);
    if (terminal < 0)
        return -1;
    session->output[0] = (struct source){.fd = terminal, .ready = stdout_ready};
    terminal_resize(terminal, request->rows, request->columns);
    stdio[1] = fcntl(stdio[0], F_DUPFD_CLOEXEC, 3);
    stdio[2] = fcntl(stdio[0], F_DUPFD_CLOEXEC, 3);
    if (stdio[1] < 0 || stdio[2] < 0 || loop_watch(&session->output[0], EPOLLIN) < 0)
        return fail_errno(error, "terminal");
    /* A descriptor of its own, since each is watched for one thing. */
    int input = request->with_stdin ? fcntl(terminal, F_DUPFD_CLOEXEC, 3) : -1;
    if (!request->with_stdin)
        return 0;
    return input < 0 ? fail_errno(error, "terminal") : session_open_input(session, input, error);
}

static int open_pipes(struct session *session, bool with_stdin, int stdio[3], struct error *error) {
    static void (*const handlers[])(struct source *, uint32_t) = {stdout_ready, stderr_ready};
    int ends[2];
    for (int stream = 0; stream < 2; stream++) {
        if (pipe2(ends, O_CLOEXEC) < 0)
            return fail_errno(error, "pipe");
        stdio[1 + stream] = ends[1];
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
        session->output[stream] = (struct source){.fd = ends[0], .ready = handlers[stream]};
        if (loop_watch(&session->output[stream], EPOLLIN) < 0)
            return fail_errno(error, "pipe");
    }
    if (!with_stdin) {
        stdio[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        return stdio[0] < 0 ? fail_errno(error, "/dev/null") : 0;
    }
    if (pipe2(ends, O_CLOEXEC) < 0)
        return fail_errno(error, "pipe");
    stdio[0] = ends[0];
    return session_open_input(session, ends[1], error);
}

int session_open_streams(struct session *session, const struct request *request, int stdio[3], struct error *error) {
    if (request->detached)
        return open_null(stdio, error);
    return request->rows ? open_terminal(session, request, stdio, error) : open_pipes(session, request->with_stdin, stdio, error);
}
