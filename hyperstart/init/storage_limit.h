// SPDX-License-Identifier: GPL-3.0-or-later
/* What a container may write into its layer, as the kubelet holds it to it: by looking from time to time, and evicting the pod of who holds more. */
#ifndef STORAGE_LIMIT_H
#define STORAGE_LIMIT_H

/* Containers, or their limits, have changed: has them looked at soon, and then as long as one of them has a limit. */
void storage_limits_watch(void);

#endif
