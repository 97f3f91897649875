// SPDX-License-Identifier: GPL-3.0-or-later
/* What an operator asks of the containers, a signal, a restart, what they use; and whether a disk can be taken away. */
#ifndef OPERATE_H
#define OPERATE_H

#include "frame.h"
#include "port.h"

/* A frame of the client: KILL, RESTART, SAMPLE, RELEASE. */
void operate_kill(struct port *port, struct frame *frame);
void operate_restart(struct port *port, struct frame *frame);
void operate_sample(struct port *port, struct frame *frame);
void operate_release(struct port *port, struct frame *frame);

#endif
