// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef NETWORK_H
#define NETWORK_H

#include "dhcp_message.h"
#include "launch_plan.h"

int loopback_up(struct error *error);
/* 0: done; 1: there is no interface with this MAC (yet); -1. */
int interface_configure(const struct interface_plan *plan, struct error *error);
/* The kernel's number of the interface with this MAC; 0: there is none. */
unsigned interface_number(const char *mac);
/* Gives it the address and the route of `lease`, NULL for none, in the place of those of `former`, NULL where it had none. -1 with errno. */
int interface_lease(unsigned interface, const struct interface_plan *plan, const struct lease *lease, const struct lease *former);

#endif
