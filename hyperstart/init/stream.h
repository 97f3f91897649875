// SPDX-License-Identifier: GPL-3.0-or-later
/* One output stream of a container, cut into the log's lines. */
#ifndef STREAM_H
#define STREAM_H

#include "last_word.h"
#include "loop.h"

#include <stdbool.h>

struct stream {
    struct source source;
    const char *container, *name;
    char *buffer;
    size_t begin, end;
    bool blocked;      /* the log is full */
    struct tail *tail; /* takes the end of what is read; may be NULL */
    struct stream *next_blocked;
};

/* Takes `fd` (non-blocking), at once or never. */
int stream_open(struct stream *stream, int fd, const char *container, const char *name, struct tail *tail);

/* The writers are gone: reads what is left, ends the last line, closes. False: the log is full, to be tried again. */
bool stream_finish(struct stream *stream);

/* Takes up the streams that wait for the log; cheap when there are none. */
void streams_resume(void);
bool streams_waiting(void);

#endif
