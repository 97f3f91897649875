// SPDX-License-Identifier: GPL-3.0-or-later
/* What the containers use, as the kernel counts it: files of /proc and of their cgroups, and their processes, for the host to make sense of. */
#ifndef SAMPLE_H
#define SAMPLE_H

#include "fields.h"

/* after: 0, or the last pid of the frame before; then processes only. Writes no more than fits. */
void sample_write(struct writer *writer, uint64_t after);

#endif
