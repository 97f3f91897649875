// SPDX-License-Identifier: GPL-3.0-or-later
/* A guest that is the template of others: it is as far as all pods' guests come alike, and waits there. Each copy of it goes on as the guest of one pod. */
#ifndef TEMPLATE_H
#define TEMPLATE_H

#include "frame.h"
#include "port.h"

#include <stdbool.h>

/* The word on the kernel's command line, which init gets as its argument. */
#define TEMPLATE_WORD "template"

/* From now on this guest waits. */
void template_wait(void);
bool template_waits(void);
/* After every batch of events: says when it is ready to be copied. */
void template_settle(void);
/* A frame of the client: BEGIN. */
void template_begin(struct port *port, struct frame *frame);

#endif
