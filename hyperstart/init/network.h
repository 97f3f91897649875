// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef NETWORK_H
#define NETWORK_H

#include "launch_plan.h"

int loopback_up(struct error *error);
/* 0: done; 1: there is no interface with this MAC (yet); -1. */
int interface_configure(const struct interface_plan *plan, struct error *error);

#endif
