// SPDX-License-Identifier: GPL-3.0-or-later
#include "session_parts.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#define MAX_SESSIONS 64

struct session *sessions;
static unsigned session_count;

bool session_has_room(void) { return session_count < MAX_SESSIONS; }

void session_add(struct session *session) {
    session->next = sessions;
    sessions = session;
    session_count++;
    session->port->sessions++;
}

struct session *session_find(const struct port *port, uint32_t id) {
    struct session *session = sessions;
    while (session && (session->port != port || session->id != id))
        session = session->next;
    return session;
}

void session_release(struct session *session) {
    session_leave_stdin(session);
    loop_close(&session->report.source);
    loop_close(&session->output[0]);
    loop_close(&session->output[1]);
    loop_close(&session->input);
    free(session->stdin_data);
    session->stdin_data = NULL;
}

void session_drop(struct session *session) {
    session_release(session);
    struct session **link = &sessions;
    while (*link != session)
        link = &(*link)->next;
    *link = session->next;
    if (session->port)
        session->port->sessions--;
    session_count--;
    free(session);
}

void session_abandon(struct session *session) {
    session->port->sessions--;
    session->port = NULL;
    if (session->reaped || session->attached) {
        session_drop(session);
        return;
    }
    /* The exec leads a process group of its own; before its setsid there is only the process itself. */
    kill(-session->pid, SIGKILL);
    kill(session->pid, SIGKILL);
    session_release(session);
}

void sessions_abandon(struct port *port) {
    for (struct session *session = sessions, *next; session; session = next) {
        next = session->next;
        if (session->port == port)
            session_abandon(session);
    }
}

/* Sends the last output, then how it ended, as far as the port has room. */
static void conclude(struct session *session) {
    struct error error;
    for (int stream = 0; stream < 2; stream++)
        while (session->output[stream].fd >= 0)
            if (!session_pass_output(session, stream))
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
    session_drop(session);
}

static void advance(struct session *session) {
    if (session->reaped) {
        conclude(session);
        return;
    }
    session_give_credit(session);
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

void session_report_done(struct start_report *report) {
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
        session_drop(session);
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
        session_drop(session);
    else
        conclude(session);
    return true;
}
