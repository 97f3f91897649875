// SPDX-License-Identifier: GPL-3.0-or-later
/* Pseudo-terminals of the guest. */
#ifndef TERMINAL_H
#define TERMINAL_H

#include "error.h"

#include <stdint.h>

/* Makes one; returns PID 1's side, non-blocking. `user`: the side of the process. */
int terminal_open(int *user, struct error *error);
/* Tells its size, of which its processes learn. */
void terminal_resize(int terminal, uint64_t rows, uint64_t columns);

#endif
