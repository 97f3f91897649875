// SPDX-License-Identifier: GPL-3.0-or-later
#include "port.h"

#include "control.h"
#include "fields.h"
#include "frame.h"
#include "operate.h"
#include "plan.h"
#include "pod.h"
#include "session.h"
#include "template.h"
#include "update.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_PORTS 16
#define IN_SIZE (FRAME_HEADER_SIZE + FRAME_MAX_PAYLOAD)
#define OUT_SIZE (4 * FRAME_MAX_PAYLOAD)
/* Kept free of output: a status and some short answers. While there is less, no requests are read. */
#define ANSWER_ROOM (FRAME_MAX_PAYLOAD + 4096)
#define TURNS 16 /* so that one busy port does not keep the others waiting */
#define FINISH_TIMEOUT_MS 1000
#define HANG_UP_MS 500

static struct port ports[MAX_PORTS];
static size_t port_count;

static size_t held(const struct port *port) { return port->out_end - port->out_begin; }

static bool has_answer_room(const struct port *port) { return OUT_SIZE - held(port) >= ANSWER_ROOM; }

static uint8_t *place(struct port *port, size_t size) {
    if (!port->out || OUT_SIZE - held(port) < FRAME_HEADER_SIZE + size)
        return NULL;
    if (OUT_SIZE - port->out_end < FRAME_HEADER_SIZE + size) {
        memmove(port->out, port->out + port->out_begin, held(port));
        port->out_end -= port->out_begin;
        port->out_begin = 0;
    }
    return port->out + port->out_end + FRAME_HEADER_SIZE;
}

size_t port_room(const struct port *port) {
    size_t used = held(port) + ANSWER_ROOM + FRAME_HEADER_SIZE;
    return used < OUT_SIZE ? OUT_SIZE - used : 0;
}

uint8_t *port_reserve(struct port *port, size_t size) { return port_room(port) < size ? NULL : place(port, size); }

void port_commit(struct port *port, uint8_t type, uint32_t id, size_t size) {
    frame_seal(port->out + port->out_end, type, id, size);
    port->out_end += FRAME_HEADER_SIZE + size;
}

void port_send(struct port *port, uint8_t type, uint32_t id, const void *payload, size_t size) {
    uint8_t *space = place(port, size);
    if (!space)
        return;
    if (size)
        memcpy(space, payload, size);
    port_commit(port, type, id, size);
}

uint8_t *port_answer_space(struct port *port) { return place(port, FRAME_MAX_PAYLOAD); }

void port_send_ok(struct port *port, uint32_t id) { port_send(port, FRAME_OK, id, NULL, 0); }

void port_send_number(struct port *port, uint8_t type, uint32_t id, uint64_t number) {
    uint8_t payload[8];
    put_u64(payload, number);
    port_send(port, type, id, payload, sizeof payload);
}

void port_send_fields(struct port *port, uint8_t type, uint32_t id, uint16_t tag, uint64_t number, uint16_t second_tag, uint64_t second) {
    uint8_t payload[64];
    struct writer writer = {.data = payload, .capacity = sizeof payload};
    write_number(&writer, tag, number);
    if (second)
        write_number(&writer, second_tag, second);
    port_send(port, type, id, payload, writer.size);
}

void port_send_error(struct port *port, uint32_t id, const char *message, int code) {
    uint8_t payload[1024];
    struct writer writer = {.data = payload, .capacity = sizeof payload};
    write_text(&writer, ERROR_MESSAGE, message);
    if (code)
        write_number(&writer, ERROR_CODE, (uint64_t)code);
    port_send(port, FRAME_ERROR, id, payload, writer.size);
}

static void send_status(struct port *port, uint32_t id) {
    uint8_t *space = port_answer_space(port);
    if (!space)
        return;
    struct writer writer = {.data = space, .capacity = FRAME_MAX_PAYLOAD};
    pod_status(&writer);
    if (writer.overflow)
        port_send_error(port, id, "the status is too long for a frame", 0);
    else
        port_commit(port, FRAME_STATUS, id, writer.size);
}

struct stop {
    uint64_t grace_period;
};

static void stop(struct port *port, struct frame *frame) {
    static const struct rule rules[] = {{STOP_GRACE_PERIOD, FIELD_NUMBER, false, offsetof(struct stop, grace_period), "grace period", NULL}};
    static const struct form form = {"STOP", sizeof(struct stop), rules, 1, true, NULL, NULL};
    struct stop wanted = {.grace_period = UINT64_MAX};
    struct arena arena = {NULL};
    struct error error;
    int parsed = form_parse(&form, frame->payload, frame->size, &wanted, &arena, &error);
    arena_free(&arena);
    if (parsed < 0 || (wanted.grace_period != UINT64_MAX && wanted.grace_period > INT32_MAX)) {
        port_send_error(port, frame->id, parsed < 0 ? error.text : "STOP: the grace period is out of range", 0);
        return;
    }
    port_send_ok(port, frame->id);
    pod_stop("control", wanted.grace_period == UINT64_MAX ? -1 : (int64_t)wanted.grace_period);
}

static void forget_secrets(struct port *port) {
    if (port->secrets)
        explicit_bzero(port->secrets, port->secrets_size);
    free(port->secrets);
    port->secrets = NULL;
    port->secrets_size = 0;
}

/* A piece of them; all have one id. What is too much is not kept, so that the UPDATE is refused. */
static void keep_secrets(struct port *port, const struct frame *frame) {
    if (port->secrets_id != frame->id)
        forget_secrets(port);
    port->secrets_id = frame->id;
    if (!port->secrets)
        port->secrets = malloc(SECRETS_MAX_SIZE);
    if (!port->secrets || frame->size > SECRETS_MAX_SIZE - port->secrets_size) {
        forget_secrets(port);
        return;
    }
    memcpy(port->secrets + port->secrets_size, frame->payload, frame->size);
    port->secrets_size += frame->size;
}

static void update(struct port *port, struct frame *frame) {
    struct update wanted = {.rollback = false};
    struct arena arena = {NULL};
    struct error error;
    int result = form_parse(&update_form, frame->payload, frame->size, &wanted, &arena, &error);
    if (port->secrets && port->secrets_id == frame->id)
        wanted.secrets = (struct bytes){port->secrets, port->secrets_size};
    if (result == 0)
        result = pod_update(&wanted, &error);
    forget_secrets(port);
    arena_free(&arena);
    if (result < 0)
        port_send_error(port, frame->id, error.text, 0);
    else
        port_send(port, FRAME_OK, frame->id, NULL, 0);
}

static void forget_client(struct port *port) {
    sessions_abandon(port);
    forget_secrets(port);
    port->watched = false;
}

static void serve(struct port *port, struct frame *frame) {
    switch (frame->type) {
    case FRAME_HELLO:
        if (frame->size != HELLO_SIZE) {
            port_send_error(port, frame->id, "HELLO: the payload has to have 16 bytes", 0);
            return;
        }
        forget_client(port);
        port_send(port, FRAME_HELLO, frame->id, frame->payload, frame->size);
        return;
    case FRAME_STATUS:
        send_status(port, frame->id);
        return;
    case FRAME_WATCH:
        port->watched = true;
        port->watch_id = frame->id;
        port->changes_told = pod.changes - 1;
        return;
    case FRAME_EXEC:
        session_exec(port, frame);
        return;
    case FRAME_STDIN:
        session_stdin(port, frame);
        return;
    case FRAME_SIGNAL:
        session_signal(port, frame);
        return;
    case FRAME_RESIZE:
        session_resize(port, frame);
        return;
    case FRAME_STOP:
        stop(port, frame);
        return;
    case FRAME_SECRETS:
        keep_secrets(port, frame);
        return;
    case FRAME_UPDATE:
        update(port, frame);
        return;
    case FRAME_KILL:
        operate_kill(port, frame);
        return;
    case FRAME_RESTART:
        operate_restart(port, frame);
        return;
    case FRAME_SAMPLE:
        operate_sample(port, frame);
        return;
    case FRAME_RELEASE:
        operate_release(port, frame);
        return;
    case FRAME_BEGIN:
        template_begin(port, frame);
        return;
    default:
        port_send_error(port, frame->id, "unknown type of frame", 0);
    }
}

/* The client went away. What it had been sent or had begun to send is void. */
static void disconnect(struct port *port) {
    forget_client(port);
    port->in_end = port->out_begin = port->out_end = 0;
    free(port->in);
    free(port->out);
    port->in = port->out = NULL;
    if (port->socket)
        loop_close(&port->source);
}

static bool write_some(struct port *port) {
    bool moved = false;
    while (held(port)) {
        ssize_t written = write(port->source.fd, port->out + port->out_begin, held(port));
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            if (written < 0 && errno != EAGAIN && port->socket)
                disconnect(port);
            break;
        }
        port->out_begin += (size_t)written;
        moved = true;
    }
    if (!held(port))
        port->out_begin = port->out_end = 0;
    return moved;
}

/* Serves the requests that have arrived whole. */
static bool serve_some(struct port *port) {
    size_t done = 0;
    struct frame frame;
    bool found = port->in, any = false;
    while (found && has_answer_room(port)) {
        size_t consumed = frame_next(port->in + done, port->in_end - done, &frame, &found);
        done += consumed;
        any |= consumed > 0;
        if (found)
            serve(port, &frame);
    }
    if (done) {
        memmove(port->in, port->in + done, port->in_end - done);
        port->in_end -= done;
    }
    return any;
}

static void pump(struct port *port);

static void look_again(struct timer *timer) {
    struct port *port = containing(timer, struct port, hung_up);
    struct pollfd state = {.fd = port->source.fd};
    if (poll(&state, 1, 0) > 0 && state.revents & POLLHUP)
        disconnect(port);
    else
        pump(port);
}

/*
 * The kernel may tell so only when requests of the next client have been read already, since requests and connections come by different queues. But then
 * that client's connection is the next thing in the other queue. Whoever comes later greets, and is served anew in any case.
 */
static void hang_up(struct port *port) {
    if (port->socket)
        disconnect(port);
    else if (!port->hung_up.at)
        timer_set(&port->hung_up, HANG_UP_MS, look_again);
}

static bool read_some(struct port *port) {
    if (port->source.fd < 0 || (port->in && (port->in_end == IN_SIZE || !has_answer_room(port))))
        return false;
    uint8_t *space = port->in, first[64];
    size_t size = space ? IN_SIZE - port->in_end : sizeof first;
    ssize_t got = read(port->source.fd, space ? space + port->in_end : first, size);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (got <= 0) {
        hang_up(port);
        return false;
    }
    /* Only a port that is used costs memory. */
    if (!space) {
        port->in = malloc(IN_SIZE);
        port->out = malloc(OUT_SIZE);
        if (!port->in || !port->out) {
            disconnect(port);
            return false;
        }
        memcpy(port->in, first, (size_t)got);
    }
    port->in_end += (size_t)got;
    return true;
}

static void pump(struct port *port) {
    bool moved = true;
    for (int turn = 0; moved && turn < TURNS && port->source.fd >= 0; turn++) {
        moved = serve_some(port);
        if (port->watched && port->changes_told != pod.changes && has_answer_room(port)) {
            port->changes_told = pod.changes;
            send_status(port, port->watch_id);
            moved = true;
        }
        sessions_advance(port);
        moved |= write_some(port);
        moved |= read_some(port);
    }
    /* Interrupted in full flow: asking for the same events again makes them come again. */
    if (moved && port->source.fd >= 0)
        loop_watch(&port->source, port->source.events);
}

static void ready(struct source *source, uint32_t events) {
    (void)events;
    pump(containing(source, struct port, source));
}

void port_add(int fd, bool socket) {
    if (port_count == MAX_PORTS)
        return;
    struct port *port = &ports[port_count++];
    *port = (struct port){.source = {.fd = fd, .ready = ready}, .socket = socket};
    /* At the edge: a virtio port without a client hangs up without end. */
    loop_watch(&port->source, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

bool ports_complete(void) { return port_count >= CONTROL_PORTS; }

void ports_settle(void) {
    for (size_t index = 0; index < port_count; index++) {
        struct port *port = &ports[index];
        if (port->out && (held(port) || port->sessions || (port->watched && port->changes_told != pod.changes)))
            pump(port);
    }
}

void ports_finish(void) {
    uint64_t deadline = monotonic_ms() + FINISH_TIMEOUT_MS;
    ports_settle();
    for (size_t index = 0; index < port_count; index++) {
        struct port *port = &ports[index];
        while (port->out && held(port)) {
            uint64_t now = monotonic_ms();
            struct pollfd wait = {.fd = port->source.fd, .events = POLLOUT};
            if (now >= deadline || poll(&wait, 1, (int)(deadline - now)) <= 0 || wait.revents & (POLLHUP | POLLERR))
                break;
            write_some(port);
        }
    }
}
