// SPDX-License-Identifier: GPL-3.0-or-later
/* The pod's own address in what the plan says of it, where the host could not know it. */
#ifndef OWN_ADDRESS_H
#define OWN_ADDRESS_H

#include "launch_plan.h"

/* Puts `address`, an IPv4 address, into the place of each PLAN_OWN_ADDRESS. */
void own_address_fill(struct launch_plan *plan, const char *address);

#endif
