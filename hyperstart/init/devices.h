// SPDX-License-Identifier: GPL-3.0-or-later
/* What the guest is given: disks, told apart by their serials, virtio ports by their names, the power button. */
#ifndef DEVICES_H
#define DEVICES_H

#include "error.h"

#include <stddef.h>
#include <sys/types.h>

struct block_device {
    char name[32], serial[32];
    dev_t number;
};

struct device_callbacks {
    void (*disks_changed)(void);
    void (*interfaces_changed)(void);
    void (*log_port)(int fd);
    void (*control_port)(unsigned number, int fd);
    void (*power_button)(void);
};

/* Reports what is there now and, from then on, what comes: the kernel says so, nothing is polled. */
int devices_open(const struct device_callbacks *callbacks, struct error *error);

size_t block_devices(const struct block_device **devices);
/* /dev/vdX; NULL when there is no such disk (yet). */
const char *disk_path(const char *serial);

#endif
