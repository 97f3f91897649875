// SPDX-License-Identifier: GPL-3.0-or-later
#include "session.h"

#include "control.h"
#include "pod.h"
#include "process.h"
#include "terminal.h"
#include "transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_SESSIONS 64
#define LEAST_OUTPUT 4096
#define CREDIT_STEP (STDIN_CREDIT / 4)
#define MAX_SIGNAL 64
#define OUTPUT_LIMIT (128 * 1024)

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

static struct session *sessions;
static unsigned session_count;

static void input_ready(struct source *source, uint32_t events);

static struct session *find(const struct port *port, uint32_t id) {
    struct session *session = sessions;
    while (session && (session->port != port || session->id != id))
        session = session->next;
    return session;
}

/* Of a container whose stdin is for one client: when no other is left that could write to it, it is at its end. */
static void leave_stdin(const struct session *session) {
    struct container *container = session->attached;
    if (!container || !session->stdin_data || !container->plan->stdin_once || container->held_stdin < 0)
        return;
    for (const struct session *other = sessions; other; other = other->next)
        if (other != session && other->attached == container && other->input.fd >= 0)
            return;
    close(container->held_stdin);
    container->held_stdin = -1;
}

static void release(struct session *session) {
    leave_stdin(session);
    loop_close(&session->report.source);
    loop_close(&session->output[0]);
    loop_close(&session->output[1]);
    loop_close(&session->input);
    free(session->stdin_data);
    session->stdin_data = NULL;
}

static void drop(struct session *session) {
    release(session);
    struct session **link = &sessions;
    while (*link != session)
        link = &(*link)->next;
    *link = session->next;
    if (session->port)
        session->port->sessions--;
    session_count--;
    free(session);
}

static void abandon(struct session *session) {
    session->port->sessions--;
    session->port = NULL;
    if (session->reaped || session->attached) {
        drop(session);
        return;
    }
    /* The exec leads a process group of its own; before its setsid there is only the process itself. */
    kill(-session->pid, SIGKILL);
    kill(session->pid, SIGKILL);
    release(session);
}

void sessions_abandon(struct port *port) {
    for (struct session *session = sessions, *next; session; session = next) {
        next = session->next;
        if (session->port == port)
            abandon(session);
    }
}

/* False: the port is full. */
static bool pass_output(struct session *session, int stream) {
    struct source *source = &session->output[stream];
    size_t room = port_room(session->port);
    if (source->fd < 0)
        return true;
    if (room < LEAST_OUTPUT) {
        session->blocked[stream] = true;
        loop_watch(source, 0);
        return false;
    }
    size_t size = room < FRAME_MAX_PAYLOAD ? room : FRAME_MAX_PAYLOAD;
    uint8_t *space = port_reserve(session->port, size);
    ssize_t got = space ? read(source->fd, space, size) : -1;
    if (got > 0)
        port_commit(session->port, stream ? FRAME_STDERR : FRAME_STDOUT, session->id, (size_t)got);
    else if (got == 0 || (errno != EAGAIN && errno != EINTR) || session->reaped)
        loop_close(source); /* whoever still holds the other end is not waited for */
    return true;
}

static void stdout_ready(struct source *source, uint32_t events) {
    (void)events;
    pass_output(containing(source, struct session, output[0]), 0);
}

static void stderr_ready(struct source *source, uint32_t events) {
    (void)events;
    pass_output(containing(source, struct session, output[1]), 1);
}

/* Sends the last output, then how it ended, as far as the port has room. */
static void conclude(struct session *session) {
    struct error error;
    for (int stream = 0; stream < 2; stream++)
        while (session->output[stream].fd >= 0)
            if (!pass_output(session, stream))
                return;
    if (!port_room(session->port))
        return;
    int failure = report_error(&session->report, &error);
    int signal_number = WIFSIGNALED(session->wait_status) ? WTERMSIG(session->wait_status) : 0;
    int code = signal_number ? 128 + signal_number : WEXITSTATUS(session->wait_status);
    if (failure)
        port_send_error(session->port, session->id, error.text, failure);
    else
        port_send_fields(session->port, FRAME_EXIT, session->id, EXIT_CODE, (uint64_t)code, EXIT_SIGNAL, (uint64_t)signal_number);
    drop(session);
}

static void give_credit(struct session *session) {
    /* In large steps: what is left to the client meanwhile is more than that. */
    if (session->owed < CREDIT_STEP || !port_room(session->port))
        return;
    port_send_number(session->port, FRAME_CREDIT, session->id, session->owed);
    session->credit += session->owed;
    session->owed = 0;
}

static void advance(struct session *session) {
    if (session->reaped) {
        conclude(session);
        return;
    }
    give_credit(session);
    for (int stream = 0; stream < 2; stream++)
        if (session->blocked[stream] && port_room(session->port) >= LEAST_OUTPUT) {
            session->blocked[stream] = false;
            loop_watch(&session->output[stream], EPOLLIN);
        }
}

void sessions_advance(struct port *port) {
    for (struct session *session = sessions, *next; session; session = next) {
        next = session->next;
        if (session->port == port)
            advance(session);
    }
}

static void report_done(struct start_report *report) {
    struct session *session = containing(report, struct session, report);
    struct error error;
    /* What went wrong is told when the process has been reaped. */
    if (report_error(report, &error) || !session->port)
        return;
    if (session->input.fd >= 0)
        session->owed = STDIN_CREDIT;
    if (!session->detached)
        return;
    /* From now on it is the container's, and one of the many that are only reaped. */
    port_send(session->port, FRAME_OK, session->id, NULL, 0);
    session->port->sessions--;
    session->port = NULL;
    if (!session->reaped)
        drop(session);
}

bool session_reaped(pid_t pid, int wait_status) {
    struct session *session = sessions;
    while (session && (session->reaped || session->pid != pid))
        session = session->next;
    if (!session)
        return false;
    session->reaped = true;
    report_finish(&session->report);
    session->wait_status = wait_status;
    if (!session->port)
        drop(session);
    else
        conclude(session);
    return true;
}

static int open_input(struct session *session, int fd, struct error *error) {
    session->stdin_data = malloc(STDIN_CREDIT);
    if (!session->stdin_data) {
        close(fd);
        return fail(error, "out of memory");
    }
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    session->input = (struct source){.fd = fd, .ready = input_ready};
    return 0;
}

static int open_null(int stdio[3], struct error *error) {
    for (int index = 0; index < 3; index++)
        if ((stdio[index] = open("/dev/null", O_RDWR | O_CLOEXEC)) < 0)
            return fail_errno(error, "/dev/null");
    return 0;
}

static int open_terminal(struct session *session, const struct request *request, int stdio[3], struct error *error) {
    int terminal = terminal_open(&stdio[0], error);
    if (terminal < 0)
        return -1;
    session->output[0] = (struct source){.fd = terminal, .ready = stdout_ready};
    terminal_resize(terminal, request->rows, request->columns);
    stdio[1] = fcntl(stdio[0], F_DUPFD_CLOEXEC, 3);
    stdio[2] = fcntl(stdio[0], F_DUPFD_CLOEXEC, 3);
    if (stdio[1] < 0 || stdio[2] < 0 || loop_watch(&session->output[0], EPOLLIN) < 0)
        return fail_errno(error, "terminal");
    /* A descriptor of its own, since each is watched for one thing. */
    int input = request->with_stdin ? fcntl(terminal, F_DUPFD_CLOEXEC, 3) : -1;
    if (!request->with_stdin)
        return 0;
    return input < 0 ? fail_errno(error, "terminal") : open_input(session, input, error);
}

static int open_pipes(struct session *session, bool with_stdin, int stdio[3], struct error *error) {
    static void (*const handlers[])(struct source *, uint32_t) = {stdout_ready, stderr_ready};
    int ends[2];
    for (int stream = 0; stream < 2; stream++) {
        if (pipe2(ends, O_CLOEXEC) < 0)
            return fail_errno(error, "pipe");
        stdio[1 + stream] = ends[1];
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
        session->output[stream] = (struct source){.fd = ends[0], .ready = handlers[stream]};
        if (loop_watch(&session->output[stream], EPOLLIN) < 0)
            return fail_errno(error, "pipe");
    }
    if (!with_stdin) {
        stdio[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        return stdio[0] < 0 ? fail_errno(error, "/dev/null") : 0;
    }
    if (pipe2(ends, O_CLOEXEC) < 0)
        return fail_errno(error, "pipe");
    stdio[0] = ends[0];
    return open_input(session, ends[1], error);
}

static int open_streams(struct session *session, const struct request *request, int stdio[3], struct error *error) {
    if (request->detached)
        return open_null(stdio, error);
    return request->rows ? open_terminal(session, request, stdio, error) : open_pipes(session, request->with_stdin, stdio, error);
}

static int start(struct session *session, const struct request *request, struct error *error) {
    struct container *container = pod_container(request->container);
    if (!container)
        return fail(error, "there is no container \"%.80s\"", request->container ? request->container : "");
    if (container->state != CONTAINER_RUNNING || pod_is_over())
        return fail(error, "container %s is not running", container->plan->name);
    struct launch launch = {.plan = &pod.plan,
                            .container = container->plan,
                            .join = container->pid,
                            .argv = request->argv.items,
                            .env = &request->env,
                            .workdir = request->workdir ? request->workdir : container->plan->workdir,
                            .user = request->user ? request->user : container->plan->user,
                            .stdio = {-1, -1, -1},
                            .terminal = request->rows};
    if (request->tree) {
        launch.instead = request->tree == TREE_SEND ? tree_send : tree_receive;
    }
    launch.guest = request->guest;
    if (request->tree || request->guest) {
        launch.workdir = request->guest && request->workdir ? request->workdir : "/";
        launch.user = "0:0";
    }
    int result = open_streams(session, request, launch.stdio, error);
    session->detached = request->detached;
    if (result == 0) {
        session->pid = process_start(&launch, &session->report, error);
        result = session->pid < 0 ? -1 : 0;
    }
    for (int index = 0; index < 3; index++)
        if (launch.stdio[index] >= 0)
            close(launch.stdio[index]);
    return result;
}

static int attach(struct session *session, const struct request *request, struct error *error) {
    struct container *container = pod_container(request->container);
    if (!container)
        return fail(error, "there is no container \"%.80s\"", request->container ? request->container : "");
    if (container->state != CONTAINER_RUNNING)
        return fail(error, "container %s is not running", container->plan->name);
    session->attached = container;
    int terminal = container->plan->tty ? container->output[0].source.fd : -1;
    if (terminal >= 0 && request->rows)
        terminal_resize(terminal, request->rows, request->columns);
    if (!request->with_stdin)
        return 0;
    if (!container->plan->open_stdin)
        return fail(error, "container %s has no stdin", container->plan->name);
    if (terminal < 0 && container->held_stdin < 0)
        return fail(error, "the stdin of container %s is closed: it was for one client", container->plan->name);
    int input = fcntl(terminal >= 0 ? terminal : container->held_stdin, F_DUPFD_CLOEXEC, 3);
    session->owed = STDIN_CREDIT;
    return input < 0 ? fail_errno(error, "stdin") : open_input(session, input, error);
}

static void tell_lost(struct session *session) {
    char note[96];
    int size = snprintf(note, sizeof note, "\r\n[%zu bytes came too fast to be shown; the log has them]\r\n", session->lost);
    session->lost = 0;
    port_send(session->port, FRAME_STDERR, session->id, note, (size_t)size);
}

void sessions_output(const char *container, bool is_stderr, const void *data, size_t size) {
    for (struct session *session = sessions; session; session = session->next) {
        if (!session->attached || strcmp(session->attached->plan->name, container))
            continue;
        /* Who reads slowly keeps neither the container nor the log waiting. */
        uint8_t *space = session->lost && port_room(session->port) < OUTPUT_LIMIT / 2 ? NULL : port_reserve(session->port, size);
        if (!space) {
            session->lost += size;
            continue;
        }
        if (session->lost) {
            tell_lost(session);
            space = port_reserve(session->port, size);
        }
        if (!space) {
            session->lost = size;
            continue;
        }
        memcpy(space, data, size);
        port_commit(session->port, is_stderr ? FRAME_STDERR : FRAME_STDOUT, session->id, size);
    }
}

void sessions_container_ended(const char *container, int exit_code, int signal_number) {
    for (struct session *session = sessions, *next; session; session = next) {
        next = session->next;
        if (!session->attached || strcmp(session->attached->plan->name, container))
            continue;
        if (session->lost)
            tell_lost(session);
        port_send_fields(session->port, FRAME_EXIT, session->id, EXIT_CODE, (uint64_t)exit_code, EXIT_SIGNAL, (uint64_t)signal_number);
        drop(session);
    }
}

static int check_request(void *target, struct error *error) {
    struct request *request = target;
    if (request->attach)
        return request->argv.count || request->detached || request->tree || request->guest ? fail(error, "EXEC: who attaches runs nothing") : 0;
    if (!request->argv.count)
        return fail(error, "EXEC: the command is missing");
    if (!request->argv.items[0][0])
        return fail(error, "EXEC: the command is empty");
    if (request->workdir && request->workdir[0] != '/')
        return fail(error, "EXEC: the working directory is not absolute");
    for (size_t index = 0; index < request->env.count; index++)
        if (!strchr(request->env.items[index], '=') || request->env.items[index][0] == '=')
            return fail(error, "EXEC: the environment is not NAME=value");
    if (request->detached && (request->rows || request->with_stdin))
        return fail(error, "EXEC: what is detached has neither a terminal nor stdin");
    if (request->tree > TREE_RECEIVE || (request->tree && (request->detached || request->rows)))
        return fail(error, "EXEC: a tree is sent or received");
    if (request->guest && (request->tree || request->user))
        return fail(error, "EXEC: in the guest's own namespaces a command is root's");
    if (!request->rows != !request->columns)
        return fail(error, "EXEC: a terminal has rows and columns");
    return 0;
}

static const struct rule rules[] = {
    {EXEC_CONTAINER, FIELD_TEXT, false, offsetof(struct request, container), "container", NULL},
    {EXEC_ARGV, FIELD_TEXTS, false, offsetof(struct request, argv), "argv", NULL},
    {EXEC_ENV, FIELD_TEXTS, false, offsetof(struct request, env), "env", NULL},
    {EXEC_WORKDIR, FIELD_TEXT, false, offsetof(struct request, workdir), "workdir", NULL},
    {EXEC_USER, FIELD_TEXT, false, offsetof(struct request, user), "user", NULL},
    {EXEC_STDIN, FIELD_FLAG, false, offsetof(struct request, with_stdin), "stdin", NULL},
    {EXEC_ROWS, FIELD_NUMBER, false, offsetof(struct request, rows), "rows", NULL},
    {EXEC_COLUMNS, FIELD_NUMBER, false, offsetof(struct request, columns), "columns", NULL},
    {EXEC_ATTACH, FIELD_FLAG, false, offsetof(struct request, attach), "attach", NULL},
    {EXEC_GUEST, FIELD_FLAG, false, offsetof(struct request, guest), "guest", NULL},
    {EXEC_TREE, FIELD_NUMBER, false, offsetof(struct request, tree), "tree", NULL},
    {EXEC_DETACHED, FIELD_FLAG, false, offsetof(struct request, detached), "detached", NULL},
};
static const struct form request_form = {"EXEC", sizeof(struct request), rules, sizeof rules / sizeof *rules, true, NULL, check_request};

void session_exec(struct port *port, struct frame *frame) {
    struct request request = {0};
    struct arena arena = {NULL};
    struct error error;
    struct session *session = NULL;
    int result = 0;
    if (find(port, frame->id))
        result = fail(&error, "EXEC: the id is in use");
    else if (session_count >= MAX_SESSIONS)
        result = fail(&error, "EXEC: too many are running");
    else if (!(session = calloc(1, sizeof *session)))
        result = fail(&error, "EXEC: out of memory");
    if (result == 0) {
        session->port = port;
        session->id = frame->id;
        session->report.done = report_done;
        session->report.source.fd = session->output[0].fd = session->output[1].fd = session->input.fd = -1;
        result = form_parse(&request_form, frame->payload, frame->size, &request, &arena, &error);
    }
    if (result == 0)
        result = request.attach ? attach(session, &request, &error) : start(session, &request, &error);
    arena_free(&arena);
    if (result < 0) {
        port_send_error(port, frame->id, error.text, 0);
        if (session)
            release(session);
        free(session);
        return;
    }
    session->next = sessions;
    sessions = session;
    session_count++;
    port->sessions++;
}

/* Gives the process what it takes. When it reads no more, the rest is taken in its place, so that the client is not left waiting. */
static void feed(struct session *session) {
    while (session->input.fd >= 0 && session->stdin_begin < session->stdin_end) {
        ssize_t written = write(session->input.fd, session->stdin_data + session->stdin_begin, session->stdin_end - session->stdin_begin);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0 && errno == EAGAIN) {
            loop_watch(&session->input, EPOLLOUT);
            return;
        }
        size_t taken = written < 0 ? session->stdin_end - session->stdin_begin : (size_t)written;
        session->stdin_begin += taken;
        session->owed += taken;
        if (written < 0)
            loop_close(&session->input);
    }
    session->stdin_begin = session->stdin_end = 0;
    loop_watch(&session->input, 0);
    if (!session->stdin_ended)
        return;
    loop_close(&session->input);
    leave_stdin(session);
}

static void input_ready(struct source *source, uint32_t events) {
    (void)events;
    struct session *session = containing(source, struct session, input);
    feed(session);
}

void session_stdin(struct port *port, const struct frame *frame) {
    struct session *session = find(port, frame->id);
    if (!session || session->stdin_ended || !session->stdin_data)
        return; /* too late, which the client could not know */
    if (frame->size > session->credit) {
        port_send_error(port, frame->id, "STDIN: more than the credit", 0);
        abandon(session);
        return;
    }
    session->credit -= frame->size;
    if (!frame->size)
        session->stdin_ended = true;
    if (session->input.fd < 0) {
        session->owed += frame->size;
        return;
    }
    if (STDIN_CREDIT - session->stdin_end < frame->size) {
        memmove(session->stdin_data, session->stdin_data + session->stdin_begin, session->stdin_end - session->stdin_begin);
        session->stdin_end -= session->stdin_begin;
        session->stdin_begin = 0;
    }
    memcpy(session->stdin_data + session->stdin_end, frame->payload, frame->size);
    session->stdin_end += frame->size;
    feed(session);
}

struct signal_request {
    uint64_t number;
};

void session_signal(struct port *port, struct frame *frame) {
    static const struct rule signal_rules[] = {{SIGNAL_NUMBER, FIELD_NUMBER, true, offsetof(struct signal_request, number), "number", NULL}};
    static const struct form form = {"SIGNAL", sizeof(struct signal_request), signal_rules, 1, true, NULL, NULL};
    struct signal_request wanted = {0};
    struct arena arena = {NULL};
    struct error error;
    struct session *session = find(port, frame->id);
    int parsed = form_parse(&form, frame->payload, frame->size, &wanted, &arena, &error);
    arena_free(&arena);
    if (parsed < 0 || !wanted.number || wanted.number > MAX_SIGNAL) {
        port_send_error(port, frame->id, parsed < 0 ? error.text : "SIGNAL: the number is out of range", 0);
        if (session)
            abandon(session);
        return;
    }
    if (session && !session->reaped && !session->attached)
        kill(session->pid, (int)wanted.number);
}

struct size {
    uint64_t rows, columns;
};

void session_resize(struct port *port, struct frame *frame) {
    static const struct rule size_rules[] = {{RESIZE_ROWS, FIELD_NUMBER, true, offsetof(struct size, rows), "rows", NULL},
                                             {RESIZE_COLUMNS, FIELD_NUMBER, true, offsetof(struct size, columns), "columns", NULL}};
    static const struct form form = {"RESIZE", sizeof(struct size), size_rules, 2, true, NULL, NULL};
    struct size wanted = {0};
    struct arena arena = {NULL};
    struct error error;
    struct session *session = find(port, frame->id);
    int parsed = form_parse(&form, frame->payload, frame->size, &wanted, &arena, &error);
    arena_free(&arena);
    if (parsed < 0) {
        port_send_error(port, frame->id, error.text, 0);
        if (session)
            abandon(session);
        return;
    }
    int terminal = !session ? -1 : session->attached ? session->attached->output[0].source.fd : session->output[0].fd;
    if (terminal >= 0)
        terminal_resize(terminal, wanted.rows, wanted.columns); /* a pipe refuses it */
}
