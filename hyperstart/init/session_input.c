// SPDX-License-Identifier: GPL-3.0-or-later
#include "session_parts.h"
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CREDIT_STEP (STDIN_CREDIT / 4)
#define MAX_SIGNAL 64

static void input_ready(struct source *source, uint32_t events);

int session_open_input(struct session *session, int fd, struct error *error) {
    session->stdin_data = malloc(STDIN_CREDIT);
    if (!session->stdin_data) {
        close(fd);
        return fail(error, "out of memory");
    }
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    session->input = (struct source){.fd = fd, .ready = input_ready};
    return 0;
}

void session_give_credit(struct session *session) {
    /* In large steps: what is left to the client meanwhile is more than that. */
    if (session->owed < CREDIT_STEP || !port_room(session->port))
        return;
    port_send_number(session->port, FRAME_CREDIT, session->id, session->owed);
    session->credit += session->owed;
    session->owed = 0;
}

/* Gives the process what it takes. When it reads no more, the rest is taken in its place, so that the client is not left waiting. */
static void feed(struct session *session) {
    while (session->input.fd >= 0 && session->stdin_begin < session->stdin_end) {
        ssize_t written = write(session->input.fd, session->stdin_data + session->stdin_begin, session->stdin_end - session->stdin_begin);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0 && errno == EAGAIN) {
            loop_watch(&session->input, EPOLLOUT);
            return;
        }
        size_t taken = written < 0 ? session->stdin_end - session->stdin_begin : (size_t)written;
        session->stdin_begin += taken;
        session->owed += taken;
        if (written < 0)
            loop_close(&session->input);
    }
    session->stdin_begin = session->stdin_end = 0;
    loop_watch(&session->input, 0);
    if (!session->stdin_ended)
        return;
    loop_close(&session->input);
    session_leave_stdin(session);
}

static void input_ready(struct source *source, uint32_t events) {
    (void)events;
    struct session *session = containing(source, struct session, input);
    feed(session);
}

void session_stdin(struct port *port, const struct frame *frame) {
    struct session *session = session_find(port, frame->id);
    if (!session || session->stdin_ended || !session->stdin_data)
        return; /* too late, which the client could not know */
    if (frame->size > session->credit) {
        port_send_error(port, frame->id, "STDIN: more than the credit", 0);
        session_abandon(session);
        return;
    }
    session->credit -= frame->size;
    if (!frame->size)
        session->stdin_ended = true;
    if (session->input.fd < 0) {
        session->owed += frame->size;
        return;
    }
    if (STDIN_CREDIT - session->stdin_end < frame->size) {
        memmove(session->stdin_data, session->stdin_data + session->stdin_begin, session->stdin_end - session->stdin_begin);
        session->stdin_end -= session->stdin_begin;
        session->stdin_begin = 0;
    }
    memcpy(session->stdin_data + session->stdin_end, frame->payload, frame->size);
    session->stdin_end += frame->size;
    feed(session);
}

struct signal_request {
    uint64_t number;
};

void session_signal(struct port *port, struct frame *frame) {
    static const struct rule signal_rules[] = {{SIGNAL_NUMBER, FIELD_NUMBER, true, offsetof(struct signal_request, number), "number", NULL}};
    static const struct form form = {"SIGNAL", sizeof(struct signal_request), signal_rules, 1, true, NULL, NULL};
    struct signal_request wanted = {0};
    struct arena arena = {NULL};
    struct error error;
    struct session *session = session_find(port, frame->id);
    int parsed = form_parse(&form, frame->payload, frame->size, &wanted, &arena, &error);
    arena_free(&arena);
    if (parsed < 0 || !wanted.number || wanted.number > MAX_SIGNAL) {
        port_send_error(port, frame->id, parsed < 0 ? error.text : "SIGNAL: the number is out of range", 0);
        if (session)
            session_abandon(session);
        return;
    }
    if (session && !session->reaped && !session->attached)
        kill(session->pid, (int)wanted.number);
}

struct size {
    uint64_t rows, columns;
};

void session_resize(struct port *port, struct frame *frame) {
    static const struct rule size_rules[] = {{RESIZE_ROWS, FIELD_NUMBER, true, offsetof(struct size, rows), "rows", NULL},
                                             {RESIZE_COLUMNS, FIELD_NUMBER, true, offsetof(struct size, columns), "columns", NULL}};
    static const struct form form = {"RESIZE", sizeof(struct size), size_rules, 2, true, NULL, NULL};
    struct size wanted = {0};
    struct arena arena = {NULL};
    struct error error;
    struct session *session = session_find(port, frame->id);
    int parsed = form_parse(&form, frame->payload, frame->size, &wanted, &arena, &error);
    arena_free(&arena);
    if (parsed < 0) {
        port_send_error(port, frame->id, error.text, 0);
        if (session)
            session_abandon(session);
        return;
    }
    int terminal = !session ? -1 : session->attached ? session->attached->output[0].source.fd : session->output[0].fd;
    if (terminal >= 0)
        terminal_resize(terminal, wanted.rows, wanted.columns); /* a pipe refuses it */
}
