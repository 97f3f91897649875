// SPDX-License-Identifier: GPL-3.0-or-later
#include "sample.h"

#include "control.h"
#include "files.h"
#include "group.h"
#include "machine.h"
#include "pod.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_SIZE 8192
#define COMMAND_SIZE 1024
/* More than the fields of one process can take. */
#define PROCESS_ROOM 3072

static size_t read_beginning(const char *path, char *text, size_t size) {
    CLOSING fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, size - 1);
    text[got < 0 ? 0 : got] = 0;
    return got < 0 ? 0 : (size_t)got;
}

static void write_file(struct writer *writer, const char *path, const char *name, const char *container) {
    static char text[FILE_SIZE];
    if (writer->capacity - writer->size < FILE_SIZE + PROCESS_ROOM || !read_beginning(path, text, sizeof text))
        return;
    size_t begin = write_begin(writer, SAMPLE_FILE);
    write_text(writer, SAMPLE_FILE_NAME, name);
    if (container)
        write_text(writer, SAMPLE_FILE_CONTAINER, container);
    write_text(writer, SAMPLE_FILE_TEXT, text);
    write_end(writer, begin);
}

static void write_files(struct writer *writer) {
    static const char *const of_pod[] = {"net/dev", "diskstats", "meminfo", "uptime"}, *const of_container[] = {"cpu.stat", "memory.current"};
    char path[64];
    for (size_t index = 0; index < sizeof of_pod / sizeof *of_pod; index++) {
        snprintf(path, sizeof path, "/proc/%s", of_pod[index]);
        write_file(writer, path, of_pod[index], NULL);
    }
    for (size_t index = 0; machine.cgroups && index < pod.count; index++)
        for (size_t file = 0; file < sizeof of_container / sizeof *of_container; file++) {
            const char *name = pod.containers[index]->plan->name;
            write_file(writer, group_path(name, of_container[file]), of_container[file], name);
        }
}

/* Those that belong to no container are hyperstart itself and the kernel's own. */
static void write_process(struct writer *writer, int pid) {
    char path[64], group[1024], text[COMMAND_SIZE];
    struct stat status;
    snprintf(path, sizeof path, "/proc/%d", pid);
    if (stat(path, &status) < 0)
        return;
    snprintf(path, sizeof path, "/proc/%d/cgroup", pid);
    read_beginning(path, group, sizeof group);
    const char *container = group_named(group);
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (!container || !read_beginning(path, text, sizeof text))
        return;
    size_t begin = write_begin(writer, SAMPLE_PROCESS);
    write_number(writer, SAMPLE_PROCESS_PID, (uint64_t)pid);
    write_text(writer, SAMPLE_PROCESS_CONTAINER, container);
    write_number(writer, SAMPLE_PROCESS_UID, status.st_uid);
    write_text(writer, SAMPLE_PROCESS_STAT, text);
    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    size_t size = read_beginning(path, text, sizeof text);
    write_bytes(writer, SAMPLE_PROCESS_COMMAND, text, size);
    write_end(writer, begin);
}

void sample_write(struct writer *writer, uint64_t after) {
    if (!after)
        write_files(writer);
    DIR *entries = opendir("/proc");
    if (!entries)
        return;
    /* In the order of their pids. */
    for (struct dirent *entry; (entry = readdir(entries));) {
        int pid = atoi(entry->d_name);
        if (pid <= 1 || (uint64_t)pid <= after)
            continue;
        if (writer->capacity - writer->size < PROCESS_ROOM) {
            write_number(writer, SAMPLE_CONTINUES, 1);
            break;
        }
        write_process(writer, pid);
    }
    closedir(entries);
}
