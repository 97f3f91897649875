// SPDX-License-Identifier: GPL-3.0-or-later
/* What hyperstart gives the kernel of a module's file, as a filter: inputs on stdin as `length u32, bytes`, and so the answers. */
#include "module_file.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    uint32_t size;
    while (fread(&size, sizeof size, 1, stdin) == 1) {
        /* Of just its size, so that the sanitizer sees every byte that is read beyond. */
        char *data = malloc(size ? size : 1);
        if (fread(data, 1, size, stdin) != size)
            return 1;
        uint32_t less = (uint32_t)module_unsigned_size(data, size);
        module_trim(data, less);
        fwrite(&less, sizeof less, 1, stdout);
        fwrite(data, 1, less, stdout);
        free(data);
    }
    return 0;
}
