// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef COPY_H
#define COPY_H

#include "error.h"

/* Copies what is below the directory `from` into the directory `to`, and from's owner and mode onto `to`: links (hard ones become copies), nodes, times,
 * extended attributes. */
int tree_copy(int from, int to, struct error *error);

#endif
