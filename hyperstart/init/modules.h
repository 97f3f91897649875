// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The kernel's modules, as they lie in the initramfs: /modules/order names one a line, each after those it needs. An empty line parts those that
 * a container needs to start from those that can wait until it runs. Those for a kind of volume lie there only where the pod has such a volume,
 * in /modules/NAME.order.
 */
#ifndef MODULES_H
#define MODULES_H

/* Loads those up to the next empty line, or all that are left; nothing more happens when none are left. */
void modules_load_part(void);
/* Those of /modules/NAME.order; nothing where the kernel has them built in. */
void modules_load_extra(const char *name);

#endif
