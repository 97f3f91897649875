// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The kernel's modules, as they lie in the initramfs: /modules/order names one a line, each after those it needs. An empty line parts those that
 * a container needs to start from those that can wait until it runs.
 */
#ifndef MODULES_H
#define MODULES_H

/* Loads those up to the next empty line, or all that are left; nothing more happens when none are left. */
void modules_load_part(void);

#endif
