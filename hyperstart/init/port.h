// SPDX-License-Identifier: GPL-3.0-or-later
/* The control ports: each serves one client at a time, with a parser, a buffer of answers and exec sessions of its own. */
#ifndef PORT_H
#define PORT_H

#include "loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONTROL_PORTS 8

struct port {
    struct source source;
    bool socket; /* in a test: a client that is gone does not come back */
    uint8_t *in, *out;
    size_t in_end, out_begin, out_end;
    struct timer hung_up; /* virtio: when it is looked at whether the client is really gone */
    bool watched;
    uint32_t watch_id;
    unsigned changes_told;
    unsigned sessions; /* how many execs there are (session.c) */
    uint8_t *secrets;  /* for the UPDATE that follows with the same id; NULL: none */
    size_t secrets_size;
    uint32_t secrets_id;
};

/* `fd` is a virtio port, or in a test a connected socket; non-blocking. */
void port_add(int fd, bool socket);
/* Whether all that a guest has are there. */
bool ports_complete(void);
/* After every batch of events. */
void ports_settle(void);
/* For the very end: waits, within reason, until the clients have their last answers. */
void ports_finish(void);

/* For a port's sessions. Space for a payload of up to `size` bytes, leaving enough for answers; NULL: there is none now. */
uint8_t *port_reserve(struct port *port, size_t size);
size_t port_room(const struct port *port);
/* Sends what was put there. */
void port_commit(struct port *port, uint8_t type, uint32_t id, size_t size);
/* Answers, always with room. The space is FRAME_MAX_PAYLOAD bytes. */
uint8_t *port_answer_space(struct port *port);
void port_send_ok(struct port *port, uint32_t id);
void port_send(struct port *port, uint8_t type, uint32_t id, const void *payload, size_t size);
void port_send_number(struct port *port, uint8_t type, uint32_t id, uint64_t number);
void port_send_fields(struct port *port, uint8_t type, uint32_t id, uint16_t tag, uint64_t number, uint16_t second_tag, uint64_t second);
void port_send_error(struct port *port, uint32_t id, const char *message, int code);

#endif
