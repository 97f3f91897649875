// SPDX-License-Identifier: GPL-3.0-or-later
/* The addresses that the pod's interfaces are given by the network, and what follows from them: routes, /etc/hosts, /etc/resolv.conf. */
#ifndef LEASES_H
#define LEASES_H

#include "fields.h"
#include "launch_plan.h"

/* For the interface of pod.plan with this index, which is up: begins to ask for what it is to be given. */
int leases_begin(size_t index, struct error *error);
/* 0: all that containers wait for is there; 1: something is missing, and said. */
int leases_missing(struct error *error);
/* Tells a plan that has become the pod's, or is about to, what the host could not know. */
void leases_fill(struct launch_plan *plan);
/* The files of the pod's names, by pod.plan and what is known of addresses now. */
int names_write(struct error *error);
/* The fields STATUS_INTERFACE. */
void leases_status(struct writer *writer);

#endif
