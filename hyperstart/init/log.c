// SPDX-License-Identifier: GPL-3.0-or-later
#include "log.h"

#include "loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROOM_FOR_LINES (256 * 1024)
#define LINE_OVERHEAD 128 /* time, stream, tag and the container's name */
#define FLUSH_AT (64 * 1024)
#define FINISH_TIMEOUT_MS 10000

/* Where the lines have their place until the port takes them; what events need beyond that is allocated. */
static char room[ROOM_FOR_LINES];
static char *buffer = room;
static size_t begin, end, capacity = sizeof room;

static void port_ready(struct source *source, uint32_t events);
static struct source port = {.fd = -1, .ready = port_ready};

/* Makes place for `size` more bytes; only events go beyond ROOM_FOR_LINES. */
static bool make_place(size_t size) {
    if (capacity - end >= size)
        return true;
    if (begin) {
        memmove(buffer, buffer + begin, end - begin);
        end -= begin;
        begin = 0;
    }
    size_t needed = end + size;
    if (needed <= capacity)
        return true;
    char *larger = malloc(needed + 4096);
    if (!larger)
        return false;
    memcpy(larger, buffer, end);
    if (buffer != room)
        free(buffer);
    buffer = larger;
    capacity = needed + 4096;
    return true;
}

bool log_has_room(void) { return end - begin + LOG_LINE_LIMIT + LINE_OVERHEAD <= ROOM_FOR_LINES; }

/* The civil date of a day since 1970, by Howard Hinnant's formula; libc's gmtime would bring time zones along. */
static void civil(int64_t day, int *year, int *month, int *month_day) {
    day += 719468;
    int64_t era = day / 146097;
    int64_t of_era = day % 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * of_year + 2) / 153;
    *month_day = (int)(of_year - (153 * shifted + 2) / 5 + 1);
    *month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
    *year = (int)(year_of_era + era * 400 + (*month <= 2));
}

void log_stamp(char stamp[32]) {
    uint64_t now = realtime_ns();
    uint64_t seconds = now / 1000000000u;
    unsigned of_day = (unsigned)(seconds % 86400);
    int year, month, day;
    civil((int64_t)(seconds / 86400), &year, &month, &day);
    snprintf(stamp, 32, "%04u-%02u-%02uT%02u:%02u:%02u.%09uZ", (unsigned)year % 10000, (unsigned)month % 100, (unsigned)day % 100, of_day / 3600,
             of_day / 60 % 60, of_day % 60, (unsigned)(now % 1000000000u));
}

static void append(const char *data, size_t size) {
    memcpy(buffer + end, data, size);
    end += size;
}

void log_line(const char *stamp, const char *stream, bool whole, const char *container, const char *data, size_t size) {
    size_t name_size = strlen(container), stream_size = strlen(stream), stamp_size = strlen(stamp);
    if (!make_place(stamp_size + stream_size + name_size + size + 6))
        return;
    append(stamp, stamp_size);
    append(" ", 1);
    append(stream, stream_size);
    append(whole ? " F " : " P ", 3);
    append(container, name_size);
    append(" ", 1);
    append(data, size);
    append("\n", 1);
    if (end - begin >= FLUSH_AT)
        log_flush();
}

struct text {
    char data[12288]; /* a last word may have 4096 bytes, and each may need a backslash */
    size_t size;
};

static void add(struct text *text, char letter) {
    if (text->size < sizeof text->data)
        text->data[text->size++] = letter;
}

static void add_value(struct text *text, const char *value) {
    bool plain = *value;
    for (const char *letter = value; *letter; letter++)
        if ((unsigned char)*letter <= ' ' || *letter == '"' || *letter == '\\' || *letter == 127)
            plain = false;
    if (!plain)
        add(text, '"');
    for (; *value; value++) {
        unsigned char letter = (unsigned char)*value;
        if (letter == '"' || letter == '\\')
            add(text, '\\');
        if (letter == '\n' || letter == '\t' || letter == '\r') {
            add(text, '\\');
            letter = letter == '\n' ? 'n' : letter == '\t' ? 't' : 'r';
        }
        add(text, letter < ' ' || letter == 127 ? '?' : (char)letter);
    }
    if (!plain)
        add(text, '"');
}

void log_event(const char *container, const char *word, ...) {
    struct text text = {.size = 0};
    char stamp[32];
    for (const char *letter = word; *letter; letter++)
        add(&text, *letter);
    va_list pairs;
    va_start(pairs, word);
    for (const char *key; (key = va_arg(pairs, const char *));) {
        add(&text, ' ');
        for (; *key; key++)
            add(&text, *key);
        add(&text, '=');
        add_value(&text, va_arg(pairs, const char *));
    }
    va_end(pairs);
    log_stamp(stamp);
    log_line(stamp, "event", true, container, text.data, text.size);
}

void log_flush(void) {
    while (begin < end && port.fd >= 0) {
        ssize_t written = write(port.fd, buffer + begin, end - begin);
        if (written > 0) {
            begin += (size_t)written;
            continue;
        }
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0 && errno != EAGAIN) {
            /* Nobody will ever read it: better to lose it than to stop the containers. */
            begin = end;
            break;
        }
        /* Watched at the edge: a port whose host is away hangs up without end. */
        if (!port.events)
            loop_watch(&port, EPOLLOUT | EPOLLET);
        return;
    }
    if (begin < end)
        return;
    begin = end = 0;
    if (buffer != room)
        free(buffer);
    buffer = room;
    capacity = sizeof room;
}

static void port_ready(struct source *source, uint32_t events) {
    (void)source, (void)events;
    log_flush();
}

bool log_is_empty(void) { return begin == end; }

bool log_is_open(void) { return port.fd >= 0; }

void log_open(int fd) {
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    port.fd = fd;
    log_flush();
}

void log_finish(void) {
    uint64_t deadline = monotonic_ms() + FINISH_TIMEOUT_MS;
    while (log_flush(), !log_is_empty() && port.fd >= 0) {
        uint64_t now = monotonic_ms();
        struct pollfd wait = {.fd = port.fd, .events = POLLOUT};
        if (now >= deadline || poll(&wait, 1, (int)(deadline - now)) < 0)
            return;
    }
}
