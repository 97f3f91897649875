// SPDX-License-Identifier: GPL-3.0-or-later
#include "stream.h"

#include "log.h"
#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_SIZE (2 * LOG_LINE_LIMIT)
#define READS_PER_TURN 4 /* so that one busy container does not keep the others waiting */

enum outcome { IDLE, MORE, BLOCKED, ENDED };

static struct stream *blocked_streams;

static void block(struct stream *stream) {
    loop_watch(&stream->source, 0);
    if (stream->blocked)
        return;
    stream->blocked = true;
    stream->next_blocked = blocked_streams;
    blocked_streams = stream;
}

static void unblock(struct stream *stream) {
    if (!stream->blocked)
        return;
    stream->blocked = false;
    for (struct stream **link = &blocked_streams; *link; link = &(*link)->next_blocked)
        if (*link == stream) {
            *link = stream->next_blocked;
            break;
        }
}

/* Passes on what the buffer holds: whole lines, parts of lines that are too long, and at the end what is left. False: the log is full. */
static bool emit(struct stream *stream, bool at_end) {
    char stamp[32] = "";
    while (stream->begin < stream->end) {
        char *data = stream->buffer + stream->begin;
        size_t held = stream->end - stream->begin;
        /* One byte more, since a line of just the limit is still a whole line. */
        size_t seen = held > LOG_LINE_LIMIT + 1 ? LOG_LINE_LIMIT + 1 : held;
        char *newline = memchr(data, '\n', seen);
        if (!newline && seen <= LOG_LINE_LIMIT && !at_end)
            break;
        if (!log_has_room())
            return false;
        if (!stamp[0])
            log_stamp(stamp);
        size_t size = newline ? (size_t)(newline - data) : held > LOG_LINE_LIMIT ? LOG_LINE_LIMIT : held;
        log_line(stamp, stream->name, newline, stream->container, data, size);
        stream->begin += size + (newline ? 1 : 0);
    }
    if (stream->begin == stream->end)
        stream->begin = stream->end = 0;
    return true;
}

static enum outcome advance(struct stream *stream) {
    if (!emit(stream, false))
        return BLOCKED;
    if (stream->begin) {
        memmove(stream->buffer, stream->buffer + stream->begin, stream->end - stream->begin);
        stream->end -= stream->begin;
        stream->begin = 0;
    }
    ssize_t got = read(stream->source.fd, stream->buffer + stream->end, BUFFER_SIZE - stream->end);
    if (got > 0) {
        if (stream->tail)
            tail_add(stream->tail, stream->buffer + stream->end, (size_t)got);
        sessions_output(stream->container, stream->name[3] == 'e', stream->buffer + stream->end, (size_t)got);
        stream->end += (size_t)got;
        return MORE;
    }
    /* A terminal whose last user closed it says EIO. */
    return got < 0 && (errno == EAGAIN || errno == EINTR) ? IDLE : ENDED;
}

static void finish(struct stream *stream) {
    unblock(stream);
    loop_close(&stream->source);
    free(stream->buffer);
    stream->buffer = NULL;
}

static void run(struct stream *stream) {
    enum outcome outcome = MORE;
    for (int turn = 0; outcome == MORE && turn < READS_PER_TURN; turn++)
        outcome = advance(stream);
    if (outcome == MORE && !emit(stream, false))
        outcome = BLOCKED;
    if (outcome == ENDED) {
        if (emit(stream, true)) {
            finish(stream);
            return;
        }
        outcome = BLOCKED;
    }
    if (outcome == BLOCKED)
        block(stream);
}

static void ready(struct source *source, uint32_t events) {
    (void)events;
    run(containing(source, struct stream, source));
}

int stream_open(struct stream *stream, int fd, const char *container, const char *name, struct tail *tail) {
    *stream = (struct stream){.source = {.fd = fd, .ready = ready}, .container = container, .name = name, .buffer = malloc(BUFFER_SIZE), .tail = tail};
    if (stream->buffer && loop_watch(&stream->source, EPOLLIN) == 0)
        return 0;
    finish(stream);
    return -1;
}

bool stream_finish(struct stream *stream) {
    if (stream->source.fd < 0)
        return true;
    enum outcome outcome;
    while ((outcome = advance(stream)) == MORE)
        ;
    if (outcome == BLOCKED || !emit(stream, true)) {
        block(stream);
        return false;
    }
    finish(stream);
    return true;
}

void streams_resume(void) {
    struct stream *waiting = log_has_room() ? blocked_streams : NULL;
    while (waiting && log_has_room()) {
        struct stream *stream = waiting;
        waiting = stream->next_blocked;
        unblock(stream);
        loop_watch(&stream->source, EPOLLIN);
        run(stream);
    }
}

bool streams_waiting(void) { return blocked_streams; }
