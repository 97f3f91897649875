// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The log port: lines of containers and events, in the form of docs/wire.md. What the host has not taken yet waits in one bounded buffer;
 * when that is full, log_has_room says no, the containers' pipes are left alone (stream.h) and their writers wait. Events are few and always kept.
 */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_LINE_LIMIT 16384

/* From now on the lines go to `fd`; until then they are kept. */
void log_open(int fd);
bool log_is_open(void);

bool log_has_room(void);
/* A time of now, for a run of lines. */
void log_stamp(char stamp[32]);
void log_line(const char *stamp, const char *stream, bool whole, const char *container, const char *data, size_t size);

/* Keys and values in turn, ended by NULL: log_event("web", "exited", "code", "0", NULL). container "-" is the pod. */
__attribute__((sentinel)) void log_event(const char *container, const char *word, ...);

/* Hands over what it can; runs after every batch of events. */
void log_flush(void);
bool log_is_empty(void);
/* For the very end: waits until the host has everything, within reason. */
void log_finish(void);

#endif
