// SPDX-License-Identifier: GPL-3.0-or-later
/* One exec: a process beside a container's own, with its streams on a control port. */
#ifndef SESSION_H
#define SESSION_H

#include "fields.h"
#include "frame.h"
#include "port.h"

#include <sys/types.h>

/* A frame of the client: EXEC, STDIN, SIGNAL, RESIZE. */
void session_exec(struct port *port, struct frame *frame);
void session_stdin(struct port *port, const struct frame *frame);
void session_signal(struct port *port, struct frame *frame);
void session_resize(struct port *port, struct frame *frame);

/* The client is gone: its execs are killed. */
void sessions_abandon(struct port *port);
/* Sends what waits for room, as far as there is some. */
void sessions_advance(struct port *port);
/* A container wrote something, or ended: who is attached to it is told. */
void sessions_output(const char *container, bool is_stderr, const void *data, size_t size);
void sessions_container_ended(const char *container, int exit_code, int signal_number);
/* A child of PID 1 ended. False: it is no exec's process. */
bool session_reaped(pid_t pid, int wait_status);

#endif
