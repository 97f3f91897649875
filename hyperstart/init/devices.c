// SPDX-License-Identifier: GPL-3.0-or-later
#include "devices.h"

#include "files.h"
#include "loop.h"
#include "port.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define MAX_BLOCK_DEVICES 128
#define MAX_BUTTONS 8

static const struct device_callbacks *callbacks;
static struct block_device blocks[MAX_BLOCK_DEVICES];
static size_t block_count;

size_t block_devices(const struct block_device **devices) {
    *devices = blocks;
    return block_count;
}

const char *disk_path(const char *serial) {
    static char path[40];
    for (size_t index = 0; index < block_count; index++)
        if (blocks[index].serial[0] && !strcmp(blocks[index].serial, serial)) {
            snprintf(path, sizeof path, "/dev/%s", blocks[index].name);
            return path;
        }
    return NULL;
}

static void each_entry(const char *directory, void (*visit)(const char *name)) {
    DIR *entries = opendir(directory);
    if (!entries)
        return;
    for (struct dirent *entry; (entry = readdir(entries));)
        if (entry->d_name[0] != '.')
            visit(entry->d_name);
    closedir(entries);
}

static void add_block(const char *name) {
    char path[320], number[32];
    char *minor;
    if (block_count == MAX_BLOCK_DEVICES || strlen(name) >= sizeof blocks->name)
        return;
    snprintf(path, sizeof path, "/sys/class/block/%s/dev", name);
    if (word_read(path, number, sizeof number) < 0 || !(minor = strchr(number, ':')))
        return;
    struct block_device *block = &blocks[block_count++];
    *block = (struct block_device){.number = makedev((unsigned)atoi(number), (unsigned)atoi(minor + 1))};
    strcpy(block->name, name);
    snprintf(path, sizeof path, "/sys/class/block/%s/serial", name);
    if (word_read(path, block->serial, sizeof block->serial) < 0)
        block->serial[0] = 0;
}

static void scan_blocks(void) {
    block_count = 0;
    each_entry("/sys/class/block", add_block);
    callbacks->disks_changed();
}

static void add_port(const char *device) {
    static bool control_open[CONTROL_PORTS], log_open;
    char path[320], name[64];
    snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", device);
    if (word_read(path, name, sizeof name) < 0)
        return;
    static const char control[] = "hyper.control.";
    bool is_log = !strcmp(name, "hyper.log");
    bool is_control = !strncmp(name, control, sizeof control - 1);
    unsigned number = is_control ? (unsigned)atoi(name + sizeof control - 1) : CONTROL_PORTS;
    is_control &= number < CONTROL_PORTS;
    if (!(is_log && !log_open) && !(is_control && !control_open[number]))
        return;
    snprintf(path, sizeof path, "/dev/%s", device);
    /* Held open for ever: the kernel lets nobody else open a port that is open, so no container gets at one. */
    int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return;
    if (is_log) {
        log_open = true;
        callbacks->log_port(fd);
    } else {
        control_open[number] = true;
        callbacks->control_port(number, fd);
    }
}

static void button_ready(struct source *source, uint32_t events) {
    struct input_event input[16];
    ssize_t got = read(source->fd, input, sizeof input);
    if (got <= 0 && (errno != EAGAIN || events & (EPOLLHUP | EPOLLERR))) {
        loop_close(source);
        return;
    }
    for (size_t index = 0; got > 0 && index < (size_t)got / sizeof *input; index++)
        if (input[index].type == EV_KEY && input[index].code == KEY_POWER && input[index].value == 1)
            callbacks->power_button();
}

static void add_button(const char *device) {
    static struct source buttons[MAX_BUTTONS];
    static char names[MAX_BUTTONS][16];
    static int count;
    char path[320];
    uint8_t keys[KEY_MAX / 8 + 1] = {0};
    if (strncmp(device, "event", 5) || strlen(device) >= sizeof *names || count == MAX_BUTTONS)
        return;
    for (int index = 0; index < count; index++)
        if (buttons[index].fd >= 0 && !strcmp(names[index], device))
            return;
    snprintf(path, sizeof path, "/dev/input/%s", device);
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return;
    if (ioctl(fd, EVIOCGBIT(EV_KEY, sizeof keys), keys) < 0 || !(keys[KEY_POWER / 8] & 1 << KEY_POWER % 8)) {
        close(fd);
        return;
    }
    strcpy(names[count], device);
    buttons[count] = (struct source){.fd = fd, .ready = button_ready};
    loop_watch(&buttons[count++], EPOLLIN);
}

/* One that comes while the guest runs does nothing until somebody says so. */
static void add_cpu(const char *name) {
    char path[320], online[8];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/%s/online", name);
    if (!strncmp(name, "cpu", 3) && word_read(path, online, sizeof online) == 0 && !strcmp(online, "0"))
        word_write(path, "1");
}

static void scan_ports(void) { each_entry("/sys/class/virtio-ports", add_port); }
static void scan_buttons(void) { each_entry("/sys/class/input", add_button); }
static void scan_interfaces(void) { callbacks->interfaces_changed(); }
static void scan_cpus(void) { each_entry("/sys/devices/system/cpu", add_cpu); }

static const struct subsystem {
    const char *name;
    void (*scan)(void);
} subsystems[] = {{"block", scan_blocks}, {"virtio-ports", scan_ports}, {"input", scan_buttons}, {"net", scan_interfaces}, {"cpu", scan_cpus}};
#define SUBSYSTEMS (sizeof subsystems / sizeof *subsystems)

/* A message: `ACTION@PATH`, then `KEY=value` strings, each with a NUL. */
static unsigned concerned(const char *message, size_t size) {
    for (size_t at = 0; at < size; at += strlen(message + at) + 1)
        if (!strncmp(message + at, "SUBSYSTEM=", 10))
            for (size_t index = 0; index < SUBSYSTEMS; index++)
                if (!strcmp(message + at + 10, subsystems[index].name))
                    return 1u << index;
    return 0;
}

static void uevents_ready(struct source *source, uint32_t events) {
    static char message[8192];
    unsigned changed = 0;
    (void)events;
    for (;;) {
        struct sockaddr_nl from = {0};
        socklen_t from_size = sizeof from;
        ssize_t got = recvfrom(source->fd, message, sizeof message - 1, 0, (struct sockaddr *)&from, &from_size);
        if (got < 0 && errno == ENOBUFS)
            changed = ~0u; /* some were lost: look at everything */
        else if (got < 0)
            break;
        else if (from.nl_pid == 0) { /* only the kernel is believed */
            message[got] = 0;
            changed |= concerned(message, (size_t)got);
        }
    }
    for (size_t index = 0; index < SUBSYSTEMS; index++)
        if (changed & 1u << index)
            subsystems[index].scan();
}

int devices_open(const struct device_callbacks *wanted, struct error *error) {
    static struct source uevents = {.ready = uevents_ready};
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK, .nl_groups = 1};
    callbacks = wanted;
    uevents.fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
    if (uevents.fd < 0 || bind(uevents.fd, (struct sockaddr *)&kernel, sizeof kernel) < 0 || loop_watch(&uevents, EPOLLIN) < 0)
        return fail_errno(error, "listening for devices");
    for (size_t index = 0; index < SUBSYSTEMS; index++)
        subsystems[index].scan();
    return 0;
}
