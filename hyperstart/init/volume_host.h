// SPDX-License-Identifier: GPL-3.0-or-later
/* Directories and files of the host: one virtiofs of the tag hyper-host has all of the pod's, each by the name of its volume. */
#ifndef VOLUME_HOST_H
#define VOLUME_HOST_H

#include "launch_plan.h"

int volume_host_prepare(const struct volume_plan *volume, struct error *error);

#endif
