// SPDX-License-Identifier: GPL-3.0-or-later
#include "terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

int terminal_open(int *user, struct error *error) {
    int unlock = 0;
    int terminal = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (terminal < 0 || ioctl(terminal, TIOCSPTLCK, &unlock) < 0 || (*user = ioctl(terminal, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0) {
        int result = fail_errno(error, "terminal");
        if (terminal >= 0)
            close(terminal);
        return result;
    }
    return terminal;
}

void terminal_resize(int terminal, uint64_t rows, uint64_t columns) {
    struct winsize size = {.ws_row = rows > UINT16_MAX ? UINT16_MAX : (uint16_t)rows, .ws_col = columns > UINT16_MAX ? UINT16_MAX : (uint16_t)columns};
    ioctl(terminal, TIOCSWINSZ, &size);
}
