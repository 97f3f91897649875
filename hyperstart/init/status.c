// SPDX-License-Identifier: GPL-3.0-or-later
/* The pod's status as the fields of a STATUS frame. */
#include "control.h"
#include "leases.h"
#include "pod.h"

static void write_container(struct writer *writer, const struct container *container) {
    static const char *const states[] = {[CONTAINER_WAITING] = "waiting",
                                         [CONTAINER_STARTING] = "waiting",
                                         [CONTAINER_RUNNING] = "running",
                                         [CONTAINER_ENDING] = "running",
                                         [CONTAINER_TERMINATED] = "terminated"};
    size_t begin = write_begin(writer, STATUS_CONTAINER);
    if (container->next) {
        /* What is still ending is not what the name stands for any more. */
        write_text(writer, STATUS_CONTAINER_NAME, container->plan->name);
        write_text(writer, STATUS_CONTAINER_STATE, states[CONTAINER_WAITING]);
        write_text(writer, STATUS_CONTAINER_REASON, "ContainerCreating");
        write_number(writer, STATUS_CONTAINER_RESTART_COUNT, 0);
        write_end(writer, begin);
        return;
    }
    write_text(writer, STATUS_CONTAINER_NAME, container->plan->name);
    write_text(writer, STATUS_CONTAINER_STATE, states[container->state]);
    write_text(writer, STATUS_CONTAINER_REASON, container->removed ? "Terminating" : container->reason);
    write_text(writer, STATUS_CONTAINER_MESSAGE, container->message);
    if (container->pid && container->state == CONTAINER_RUNNING)
        write_number(writer, STATUS_CONTAINER_PID, (uint64_t)container->pid);
    if (container->ended)
        write_number(writer, STATUS_CONTAINER_EXIT_CODE, (uint64_t)container->exit_code);
    if (container->ended && container->signal)
        write_number(writer, STATUS_CONTAINER_SIGNAL, (uint64_t)container->signal);
    write_number(writer, STATUS_CONTAINER_RESTART_COUNT, container->restarts);
    if (container->started_at)
        write_number(writer, STATUS_CONTAINER_STARTED_AT, container->started_at);
    if (container->ended)
        write_number(writer, STATUS_CONTAINER_FINISHED_AT, container->finished_at);
    if (container->ended) {
        write_text(writer, STATUS_CONTAINER_LAST_REASON, container->last.reason);
        write_text(writer, STATUS_CONTAINER_LAST_MESSAGE, container->last.message);
        write_text(writer, STATUS_CONTAINER_LAST_WORD, container->last.word);
    }
    if (container->ended && container->last.started_at)
        write_number(writer, STATUS_CONTAINER_LAST_STARTED_AT, container->last.started_at);
    if (container->turned_at)
        write_number(writer, STATUS_CONTAINER_TURNED_AT, container->turned_at);
    write_number(writer, STATUS_CONTAINER_READY, container_is_ready(container) && !container->removed);
    write_number(writer, STATUS_CONTAINER_STARTED, container->state == CONTAINER_RUNNING && container->passed && !container->removed);
    write_end(writer, begin);
}

void pod_status(struct writer *writer) {
    static const char *const phases[] = {
        [POD_PENDING] = "Pending", [POD_RUNNING] = "Running", [POD_STOPPING] = "Stopping", [POD_SUCCEEDED] = "Succeeded", [POD_FAILED] = "Failed"};
    write_text(writer, STATUS_PHASE, phases[pod.phase]);
    write_text(writer, STATUS_MESSAGE, pod.message);
    write_number(writer, STATUS_STARTED_AT, pod.started_at);
    write_text(writer, STATUS_REASON, pod.failure ? pod.failure : "");
    leases_status(writer);
    for (size_t index = 0; index < pod.count; index++)
        write_container(writer, pod.containers[index]);
}
