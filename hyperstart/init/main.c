// SPDX-License-Identifier: GPL-3.0-or-later
/* hyperstart: PID 1 of a pod's guest. */
#include "devices.h"
#include "images.h"
#include "log.h"
#include "machine.h"
#include "modules.h"
#include "pod.h"
#include "port.h"
#include "secrets.h"
#include "session.h"
#include "stream.h"
#include "template.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_CONTROLS 16

/* The exit codes of a test's power-off. */
enum { OVER_SUCCEEDED, OVER_FAILED, OVER_BROKEN };

struct options {
    bool version;
    const char *plan, *secrets;
    int log;
    int controls[MAX_CONTROLS];
    size_t control_count;
};

/* The descriptors 0 to 2 are never anything else than what was meant by them: an initramfs without /dev/console leaves them closed. */
static void fill_stdio(void) {
    int fd;
    do
        fd = open("/", O_RDONLY);
    while (fd >= 0 && fd <= 2);
    close(fd);
}

static void children_ready(struct source *source, uint32_t events) {
    struct signalfd_siginfo info;
    int status;
    (void)events;
    while (read(source->fd, &info, sizeof info) > 0)
        ;
    /* One signal may stand for many children, and all orphans of the guest come here. */
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        if (!pod_reaped(pid, status))
            session_reaped(pid, status);
}

/*
 * Only SIGCHLD is wanted, by a descriptor. The kernel drops what containers send to PID 1 without a handler; all others are ignored for the sake of
 * tests, where the sender is outside of the namespace. Faults keep their meaning.
 */
static int open_signals(struct error *error) {
    static const int kept[] = {SIGCHLD, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS};
    static struct source children = {.ready = children_ready};
    sigset_t wanted;
    for (int number = 1; number < NSIG; number++) {
        bool keep = false;
        for (size_t index = 0; index < sizeof kept / sizeof *kept; index++)
            keep |= kept[index] == number;
        if (!keep)
            signal(number, SIG_IGN);
    }
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGCHLD);
    sigprocmask(SIG_SETMASK, &wanted, NULL);
    children.fd = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
    return children.fd < 0 || loop_watch(&children, EPOLLIN) < 0 ? fail_errno(error, "signals") : 0;
}

static void disks_changed(void) {
    struct error error;
    const char *disk = pod.planned || pod_is_stopping() ? NULL : disk_path(SERIAL_PLAN);
    if (disk) {
        /* disk_path has room for one answer. */
        char plan[40];
        strcpy(plan, disk);
        if (pod_load(plan, disk_path(SERIAL_SECRETS), &error) < 0)
            pod_break(error.text);
    }
    pod_progress();
}

static void control_port(unsigned number, int fd) {
    (void)number;
    port_add(fd, false);
}

static void power_button(void) { pod_stop("power-button", -1); }

static int open_machine(struct error *error) {
    static const struct device_callbacks callbacks = {
        .disks_changed = disks_changed, .interfaces_changed = pod_progress, .log_port = log_open, .control_port = control_port, .power_button = power_button};
    return devices_open(&callbacks, error);
}

static int open_test(const struct options *options, struct error *error) {
    log_open(options->log);
    for (size_t index = 0; index < options->control_count; index++) {
        fcntl(options->controls[index], F_SETFD, FD_CLOEXEC);
        fcntl(options->controls[index], F_SETFL, O_NONBLOCK);
        port_add(options->controls[index], true);
    }
    if (pod_load(options->plan, options->secrets, error) < 0)
        return -1;
    pod_progress();
    return 0;
}

static void no_op(struct timer *timer) { (void)timer; }

static void after(void) {
    static struct timer again;
    static bool late_modules;
    log_flush();
    streams_resume();
    pod_settle();
    template_settle();
    /* What a client is told of, it finds in the log. */
    log_flush();
    ports_settle();
    log_flush();
    /* The log has room once more and its port has nothing to report: the next round must not wait for anything. */
    if (streams_waiting() && log_has_room())
        timer_set(&again, 0, no_op);
    if (!late_modules && !machine.test && !template_waits() && !pod_is_starting()) {
        late_modules = true;
        modules_load_part();
    }
    if (!pod_is_over())
        return;
    ports_finish();
    log_finish();
    machine_power_off(pod.broken ? OVER_BROKEN : pod.phase == POD_SUCCEEDED ? OVER_SUCCEEDED : OVER_FAILED);
}

static int parse_controls(char *text, struct options *options) {
    for (char *save, *word = strtok_r(text, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
        if (options->control_count == MAX_CONTROLS)
            return -1;
        options->controls[options->control_count++] = atoi(word);
    }
    return 0;
}

static int parse_options(int argc, char **argv, struct options *options) {
    static const struct option known[] = {{"version", no_argument, NULL, 'v'},       {"test", no_argument, NULL, 't'},
                                          {"plan", required_argument, NULL, 'p'},    {"secrets", required_argument, NULL, 'k'},
                                          {"control", required_argument, NULL, 'c'}, {"log", required_argument, NULL, 'l'},
                                          {"state", required_argument, NULL, 's'},   {NULL, 0, NULL, 0}};
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) >= 0;)
        switch (option) {
        case 'v':
            options->version = true;
            break;
        case 't':
            machine.test = true;
            break;
        case 'p':
            options->plan = optarg;
            break;
        case 'k':
            options->secrets = optarg;
            break;
        case 'c':
            if (parse_controls(optarg, options) < 0)
                return -1;
            break;
        case 'l':
            options->log = atoi(optarg);
            break;
        case 's':
            machine.state = optarg;
            break;
        default:
            return -1;
        }
    if (options->version)
        return 0;
    return machine.test && options->plan && options->log >= 0 && machine.state[0] == '/' ? 0 : -1;
}

int main(int argc, char **argv) {
    struct options options = {.log = -1};
    struct error error = {""};
    /* What a guest's PID 1 gets as arguments are words of the kernel's command line, which are not for it. */
    if (getpid() != 1 || (argc > 1 && !strcmp(argv[1], "--test"))) {
        if (parse_options(argc, argv, &options) < 0 || (!options.version && getpid() != 1)) {
            fprintf(stderr, "hyperstart is the init of a pod's guest. It says its --version, and runs --test as plan.h tells.\n");
            return 64;
        }
        if (options.version) {
            puts("hyperstart " VERSION);
            return 0;
        }
    }
    fill_stdio();
    prctl(PR_SET_DUMPABLE, 0);
    /* The initramfs calls it /init; in a list of processes it has its own name. */
    prctl(PR_SET_NAME, "hyperstart");
    if (loop_open() < 0 || open_signals(&error) < 0)
        return 1;
    if (!machine.test && argc > 1 && !strcmp(argv[1], TEMPLATE_WORD))
        template_wait();
    else
        pod_begin();
    if (machine_prepare(&error) < 0 || (machine.test ? open_test(&options, &error) : open_machine(&error)) < 0)
        pod_break(error.text);
    after();
    loop_run(after);
}
