// SPDX-License-Identifier: GPL-3.0-or-later
/* The values that a plan leaves out, for they are secret: read from a disk of their own or a client, and held in memory alone. */
#ifndef SECRETS_H
#define SECRETS_H

#include "launch_plan.h"

#define SERIAL_SECRETS "hyper-secrets"

/* Puts the values in their places. `data` (a header and a body) is changed and belongs to the plan from now on, as does the arena. */
int secrets_join(uint8_t *data, size_t size, struct launch_plan *plan, struct arena *arena, struct error *error);

#endif
