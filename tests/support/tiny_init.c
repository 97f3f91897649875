// SPDX-License-Identifier: GPL-3.0-or-later
// The least init of a guest: loads the modules, says READY on the serial port and WORD on every virtio-serial port, powers off by the power button.
// On the kernel's command line: "tiny.off" powers off at once, "tiny.panic" ends PID 1, "tiny.deaf" ignores the power button.
#include <dirent.h>
#include <fcntl.h>
#include <linux/input.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void load_modules(void) {
    FILE *order = fopen("/modules/order", "r");
    char name[200], path[300];
    while (order && fgets(name, sizeof name, order)) {
        name[strcspn(name, "\n")] = 0;
        snprintf(path, sizeof path, "/modules/%s", name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0)
            syscall(SYS_finit_module, fd, "", 0);
    }
}

static int has_word(const char *word) {
    char line[4096] = "";
    FILE *file = fopen("/proc/cmdline", "r");
    return file && fgets(line, sizeof line, file) && strstr(line, word) != NULL;
}

int main(void) {
    load_modules();
    mkdir("/proc", 0755);
    mount("proc", "/proc", "proc", 0, NULL);
    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    int console = open("/dev/ttyS0", O_WRONLY);
    DIR *devices = opendir("/dev");
    for (struct dirent *entry; devices && (entry = readdir(devices));)
        if (strncmp(entry->d_name, "vport", 5) == 0) {
            int port = openat(dirfd(devices), entry->d_name, O_WRONLY | O_NONBLOCK);
            dprintf(port, "WORD\n");
        }
    dprintf(console, "READY\n");
    if (has_word("tiny.off"))
        reboot(RB_POWER_OFF);
    if (has_word("tiny.panic"))
        return 1;
    if (has_word("tiny.deaf"))
        for (;;)
            pause();
    struct pollfd buttons[8];
    int count = 0;
    DIR *inputs = opendir("/dev/input");
    for (struct dirent *entry; inputs && count < 8 && (entry = readdir(inputs));)
        if (strncmp(entry->d_name, "event", 5) == 0)
            buttons[count++] = (struct pollfd){.fd = openat(dirfd(inputs), entry->d_name, O_RDONLY), .events = POLLIN};
    for (;;) {
        poll(buttons, count, -1);
        for (int index = 0; index < count; index++) {
            struct input_event event;
            if (buttons[index].revents && read(buttons[index].fd, &event, sizeof event) == sizeof event && event.type == EV_KEY && event.code == KEY_POWER) {
                dprintf(console, "BUTTON\n");
                reboot(RB_POWER_OFF);
            }
        }
    }
}
