// SPDX-License-Identifier: GPL-3.0-or-later
#include "life_plan.h"

#include "address.h"
#include "plan.h"

#include <string.h>

#define MAX_SECONDS (365 * 24 * 3600)
#define MAX_THRESHOLD MAX_SECONDS

static int check_action(void *target, struct error *error) {
    static const char *const kinds[] = {[ACTION_EXEC] = "exec", [ACTION_TCP] = "tcp", [ACTION_HTTP] = "http", [ACTION_SLEEP] = "sleep"};
    struct action_plan *action = target;
    struct address address;
    size_t kind = 0;
    while (kind < sizeof kinds / sizeof *kinds && strcmp(action->kind_text, kinds[kind]))
        kind++;
    if (kind == sizeof kinds / sizeof *kinds)
        return fail(error, "action: unknown kind \"%.40s\"", action->kind_text);
    action->kind = (enum action_kind)kind;
    if (action->kind == ACTION_EXEC && (!action->argv.count || !action->argv.items[0][0]))
        return fail(error, "action: the command is empty");
    if (action->kind == ACTION_TCP || action->kind == ACTION_HTTP) {
        if (!action->address || (strcmp(action->address, PLAN_OWN_ADDRESS) && address_parse(action->address, false, &address) < 0))
            return fail(error, "action: \"%.60s\" is not an address", action->address ? action->address : "");
        if (!action->port || action->port > 65535)
            return fail(error, "action: the port is out of range");
        if ((action->kind == ACTION_HTTP) != (action->request.size > 0))
            return fail(error, "action: a request belongs to http, and to nothing else");
    }
    return action->seconds > MAX_SECONDS ? fail(error, "action: the pause is out of range") : 0;
}

static void default_probe(void *target) { ((struct probe_plan *)target)->grace_period = PROBE_NO_GRACE_PERIOD; }

static int check_probe(void *target, struct error *error) {
    struct probe_plan *probe = target;
    if (probe->action.count != 1 || probe->action.items[0].kind == ACTION_SLEEP)
        return fail(error, "probe: it needs one action that can fail");
    if (probe->initial_delay > MAX_SECONDS || !probe->period || probe->period > MAX_SECONDS || !probe->timeout || probe->timeout > MAX_SECONDS)
        return fail(error, "probe: a time is out of range");
    if (!probe->success_threshold || probe->success_threshold > MAX_THRESHOLD || !probe->failure_threshold || probe->failure_threshold > MAX_THRESHOLD)
        return fail(error, "probe: a threshold is out of range");
    if (probe->grace_period != PROBE_NO_GRACE_PERIOD && probe->grace_period > MAX_SECONDS)
        return fail(error, "probe: the grace period is out of range");
    return 0;
}

static bool same_text(const char *one, const char *other) { return one && other ? !strcmp(one, other) : one == other; }

static bool same_action(const struct action_plan *one, const struct action_plan *other) {
    if (one->kind != other->kind || one->port != other->port || one->seconds != other->seconds || one->argv.count != other->argv.count ||
        one->request.size != other->request.size || !same_text(one->address, other->address))
        return false;
    for (size_t index = 0; index < one->argv.count; index++)
        if (strcmp(one->argv.items[index], other->argv.items[index]))
            return false;
    return !one->request.size || !memcmp(one->request.data, other->request.data, one->request.size);
}

bool probe_plan_is_same(const struct probe_plan *one, const struct probe_plan *other) {
    if (!one || !other)
        return one == other;
    return one->initial_delay == other->initial_delay && one->period == other->period && one->timeout == other->timeout &&
           one->success_threshold == other->success_threshold && one->failure_threshold == other->failure_threshold &&
           one->grace_period == other->grace_period && same_action(one->action.items, other->action.items);
}

static const struct rule action_rules[] = {
    RULE(ACTION_KIND, FIELD_TEXT, true, action_plan, kind_text, NULL),    RULE(ACTION_ARGV, FIELD_TEXTS, false, action_plan, argv, NULL),
    RULE(ACTION_ADDRESS, FIELD_TEXT, false, action_plan, address, NULL),  RULE(ACTION_PORT, FIELD_NUMBER, false, action_plan, port, NULL),
    RULE(ACTION_REQUEST, FIELD_BYTES, false, action_plan, request, NULL), RULE(ACTION_SECONDS, FIELD_NUMBER, false, action_plan, seconds, NULL),
};
const struct form action_form = FORM("action", action_plan, action_rules, NULL, check_action);

static const struct rule probe_rules[] = {
    RULE(PROBE_ACTION, FIELD_FORMS, true, probe_plan, action, &action_form),
    RULE(PROBE_INITIAL_DELAY, FIELD_NUMBER, false, probe_plan, initial_delay, NULL),
    RULE(PROBE_PERIOD, FIELD_NUMBER, true, probe_plan, period, NULL),
    RULE(PROBE_TIMEOUT, FIELD_NUMBER, true, probe_plan, timeout, NULL),
    RULE(PROBE_SUCCESS_THRESHOLD, FIELD_NUMBER, true, probe_plan, success_threshold, NULL),
    RULE(PROBE_FAILURE_THRESHOLD, FIELD_NUMBER, true, probe_plan, failure_threshold, NULL),
    RULE(PROBE_GRACE_PERIOD, FIELD_NUMBER, false, probe_plan, grace_period, NULL),
};
const struct form probe_form = FORM("probe", probe_plan, probe_rules, default_probe, check_probe);
