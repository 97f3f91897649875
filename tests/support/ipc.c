// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What a shell cannot do, for tests in a guest:
 *   ipc shm-write KEY TEXT | shm-read KEY      SysV shared memory
 *   ipc mq-write /NAME TEXT | mq-read /NAME    POSIX message queues
 *   ipc orphans COUNT                          so many processes whose parent ends before them
 *   ipc signals PID                            sends every signal to PID
 *   ipc deaf                                   waits for ever and ignores SIGTERM
 *   ipc get NAME PORT                          what a web server answers, within 3 s; the name by the C library's resolver
 */
#include <fcntl.h>
#include <mqueue.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE 256

static int fail(const char *what) {
    perror(what);
    return 1;
}

static int shared_memory(const char *key, const char *text) {
    int id = shmget((key_t)strtol(key, NULL, 10), SIZE, text ? IPC_CREAT | 0600 : 0);
    if (id < 0)
        return fail("shmget");
    char *memory = shmat(id, NULL, text ? 0 : SHM_RDONLY);
    if (memory == (void *)-1)
        return fail("shmat");
    if (text)
        snprintf(memory, SIZE, "%s", text);
    else
        puts(memory);
    return 0;
}

static int message_queue(const char *name, const char *text) {
    struct mq_attr attributes = {.mq_maxmsg = 4, .mq_msgsize = SIZE};
    mqd_t queue = mq_open(name, text ? O_CREAT | O_WRONLY : O_RDONLY | O_NONBLOCK, 0600, &attributes);
    if (queue == (mqd_t)-1)
        return fail("mq_open");
    char message[SIZE + 1] = "";
    if (text)
        return mq_send(queue, text, strlen(text), 0) ? fail("mq_send") : 0;
    if (mq_receive(queue, message, SIZE, NULL) < 0)
        return fail("mq_receive");
    puts(message);
    return 0;
}

static int orphans(int count) {
    for (int index = 0; index < count; index++) {
        pid_t child = fork();
        if (child < 0)
            return fail("fork");
        if (child == 0) {
            /* The grandchild outlives its parent, then ends as an orphan. */
            if (fork() == 0)
                usleep(1000 * (unsigned)(index % 50));
            _exit(0);
        }
        waitpid(child, NULL, 0);
    }
    return 0;
}

static int get(const char *name, const char *port) {
    static const char request[] = "GET / HTTP/1.0\r\n\r\n";
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *places;
    if (getaddrinfo(name, port, &hints, &places))
        return fail("getaddrinfo");
    int fd = socket(places->ai_family, SOCK_STREAM, 0);
    struct timeval patience = {.tv_sec = 3};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, places->ai_addr, places->ai_addrlen) < 0 || write(fd, request, sizeof request - 1) < 0)
        return fail("connect");
    char piece[SIZE];
    ssize_t count;
    while ((count = read(fd, piece, sizeof piece)) > 0)
        fwrite(piece, 1, (size_t)count, stdout);
    return count < 0 ? fail("read") : 0;
}

int main(int argc, char **argv) {
    if (argc >= 3 && !strncmp(argv[1], "shm-", 4))
        return shared_memory(argv[2], argc > 3 ? argv[3] : NULL);
    if (argc >= 3 && !strncmp(argv[1], "mq-", 3))
        return message_queue(argv[2], argc > 3 ? argv[3] : NULL);
    if (argc == 3 && !strcmp(argv[1], "orphans"))
        return orphans(atoi(argv[2]));
    if (argc == 3 && !strcmp(argv[1], "signals")) {
        for (int number = 1; number <= SIGRTMAX; number++)
            kill(atoi(argv[2]), number);
        return 0;
    }
    if (argc == 2 && !strcmp(argv[1], "deaf")) {
        signal(SIGTERM, SIG_IGN);
        for (;;)
            pause();
    }
    if (argc == 4 && !strcmp(argv[1], "get"))
        return get(argv[2], argv[3]);
    fputs("ipc: see its source\n", stderr);
    return 2;
}
