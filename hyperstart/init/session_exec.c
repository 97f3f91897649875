// SPDX-License-Identifier: GPL-3.0-or-later
#include "session_parts.h"
#include "transfer.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    int result = session_open_streams(session, request, launch.stdio, error);
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
    if (session_find(port, frame->id))
        result = fail(&error, "EXEC: the id is in use");
    else if (!session_has_room())
        result = fail(&error, "EXEC: too many are running");
    else if (!(session = calloc(1, sizeof *session)))
        result = fail(&error, "EXEC: out of memory");
    if (result == 0) {
        session->port = port;
        session->id = frame->id;
        session->report.done = session_report_done;
        session->report.source.fd = session->output[0].fd = session->output[1].fd = session->input.fd = -1;
        result = form_parse(&request_form, frame->payload, frame->size, &request, &arena, &error);
    }
    if (result == 0)
        result = request.attach ? session_attach(session, &request, &error) : start(session, &request, &error);
    arena_free(&arena);
    if (result < 0) {
        port_send_error(port, frame->id, error.text, 0);
        if (session)
            session_release(session);
        free(session);
        return;
    }
    session_add(session);
}
