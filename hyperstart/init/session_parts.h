// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What the files of a session share: session.c has its life, session_exec.c its beginning, session_streams.c what the process says, session_input.c what the
 * client says, attach.c sessions without a process of their own.
 */
#ifndef SESSION_PARTS_H
#define SESSION_PARTS_H

#include "control.h"
#include "pod.h"
#include "process.h"
#include "session.h"

#define LEAST_OUTPUT 4096

/* An EXEC frame. */
struct request {
    char *container;
    struct texts argv, env;
    char *workdir, *user;
    bool with_stdin, detached, attach, guest;
    uint64_t rows, columns; /* of its terminal; 0: pipes */
    uint64_t tree;
};

struct session {
    struct session *next;
    struct port *port; /* NULL: abandoned, only to be reaped */
    uint32_t id;
    pid_t pid;
    bool reaped, detached;
    struct container *attached; /* NULL: a command of its own */
    size_t lost;                /* bytes of the container that found no room */
    int wait_status;
    struct start_report report;
    struct source output[2];
    bool blocked[2];
    struct source input;
    uint8_t *stdin_data; /* STDIN_CREDIT bytes */
    size_t stdin_begin, stdin_end;
    bool stdin_ended;    /* the client has said all */
    size_t credit, owed; /* what the client may still send; what it will be given */
};

/* All of them, linked by next. */
extern struct session *sessions;

bool session_has_room(void);
void session_add(struct session *session);
struct session *session_find(const struct port *port, uint32_t id);
/* Closes what a session holds; drop also forgets it. */
void session_release(struct session *session);
void session_drop(struct session *session);
/* The client does not want it any more: its process is killed. */
void session_abandon(struct session *session);
/* The start of its process succeeded or failed. */
void session_report_done(struct start_report *report);

/* Streams for a process as the request wants them: `stdio` is its side. */
int session_open_streams(struct session *session, const struct request *request, int stdio[3], struct error *error);
/* Passes on what one stream of the process has. False: the port is full. */
bool session_pass_output(struct session *session, int stream);

/* From now on `fd` gets what the client sends. */
int session_open_input(struct session *session, int fd, struct error *error);
void session_give_credit(struct session *session);

/* The streams of a container that runs, in place of a process. */
int session_attach(struct session *session, const struct request *request, struct error *error);
/* The client sends no more. */
void session_leave_stdin(const struct session *session);

#endif
