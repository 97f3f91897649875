// SPDX-License-Identifier: GPL-3.0-or-later
#include "process.h"

#include "files.h"
#include "filter.h"
#include "group.h"
#include "machine.h"
#include "rootfs.h"
#include "syscalls.h"
#include "users.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CODE_SETUP 128
#define CODE_NOT_EXECUTABLE 126
#define CODE_NOT_FOUND 127
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define NAMESPACE_SIZE 8

static void reset_signals(void) {
    /* By the kernel's own call and its own form of a struct sigaction: the C library keeps some real-time signals for itself. */
    static const unsigned long by_default[4];
    sigset_t none;
    for (int number = 1; number < NSIG; number++)
        syscall(SYS_rt_sigaction, number, by_default, NULL, (size_t)(NSIG / 8));
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static int join_namespace(pid_t pid, struct error *error) {
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/ns/mnt", (int)pid);
    CLOSING fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 || setns(fd, CLONE_NEWNS) < 0 || chdir("/") < 0 ? fail_errno(error, "entering the container") : 0;
}

/* The container's files, and everything else as PID 1 has it: mounts too, though it sees only those below its root. */
static int borrow_root(pid_t pid, struct error *error) {
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/root", (int)pid);
    return chroot(path) < 0 || chdir("/") < 0 ? fail_errno(error, "the container's root directory") : 0;
}

static int take_stdio(const struct launch *launch, const struct identity *identity, struct error *error) {
    for (int number = 0; number < 3; number++) {
        struct stat status;
        if (dup2(launch->stdio[number], number) < 0 || fstat(number, &status) < 0)
            return fail_errno(error, "standard streams");
        /* Programs open /dev/stdout anew, which asks for permission. */
        bool own = S_ISFIFO(status.st_mode) || launch->terminal;
        if (own && identity->uid && fchown(number, identity->uid, (gid_t)-1) < 0)
            return fail_errno(error, "standard streams");
    }
    if (launch->terminal && ioctl(0, TIOCSCTTY, 0) < 0)
        return fail_errno(error, "terminal");
    return 0;
}

static size_t name_length(const char *variable) { return strcspn(variable, "=") + 1; }

static void set_variable(char **env, size_t *count, char *variable, bool replace) {
    for (size_t index = 0; index < *count; index++)
        if (!strncmp(env[index], variable, name_length(variable))) {
            if (replace)
                env[index] = variable;
            return;
        }
    env[(*count)++] = variable;
}

static char **make_env(const struct launch *launch, const struct identity *identity) {
    static char home[sizeof identity->home + 8], hostname[80], path[] = "PATH=" DEFAULT_PATH, term[] = "TERM=xterm";
    const struct texts *layers[] = {&launch->container->env, launch->env};
    size_t count = 0, most = launch->container->env.count + (launch->env ? launch->env->count : 0) + 5;
    char **env = calloc(most, sizeof *env);
    if (!env)
        return NULL;
    for (size_t layer = 0; layer < 2; layer++)
        for (size_t index = 0; layers[layer] && index < layers[layer]->count; index++)
            set_variable(env, &count, layers[layer]->items[index], true);
    snprintf(home, sizeof home, "HOME=%s", identity->home);
    snprintf(hostname, sizeof hostname, "HOSTNAME=%s", launch->plan->hostname);
    set_variable(env, &count, path, false);
    set_variable(env, &count, hostname, false);
    set_variable(env, &count, home, false);
    if (launch->terminal)
        set_variable(env, &count, term, false);
    return env;
}

static int enter_workdir(const char *workdir, struct error *error) {
    if (chdir(workdir) == 0)
        return 0;
    if (errno == ENOENT && directories_make(workdir, 0755) == 0 && chdir(workdir) == 0)
        return 0;
    return fail_errno(error, "working directory %s", workdir);
}

static int set_capabilities(uint64_t kept) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    for (int half = 0; half < 2; half++)
        data[half].effective = data[half].permitted = (uint32_t)(kept >> 32 * half);
    return (int)syscall(SYS_capset, &header, data);
}

/*
 * Root keeps the plan's capabilities; another user has none but may gain these by a program's own file capabilities or setuid bit, unless the plan says
 * no_new_privileges. As container engines do it: inheritable and ambient stay empty.
 */
static int take_identity(const struct container_plan *container, const struct identity *identity, struct error *error) {
    uint64_t kept = 0;
    for (size_t index = 0; index < container->capabilities.count; index++)
        kept |= 1ull << container->capabilities.items[index];
    for (int capability = 0; !container->privileged && prctl(PR_CAPBSET_READ, capability) >= 0; capability++)
        if (!(kept >> capability & 1) && prctl(PR_CAPBSET_DROP, capability) < 0)
            return fail_errno(error, "capabilities");
    if (setgroups(identity->group_count, identity->groups) < 0 || setresgid(identity->gid, identity->gid, identity->gid) < 0 ||
        setresuid(identity->uid, identity->uid, identity->uid) < 0)
        return fail_errno(error, "user %u:%u", identity->uid, identity->gid);
    if (!container->privileged && identity->uid == 0) {
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[2] = {0};
        /* What this kernel (or the namespace of a test) does not have cannot be kept. */
        if (syscall(SYS_capget, &header, data) < 0 || set_capabilities(kept & (data[0].permitted | (uint64_t)data[1].permitted << 32)) < 0)
            return fail_errno(error, "capabilities");
    }
    if (container->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return fail_errno(error, "no_new_privileges");
    return 0;
}

static const char *variable(char *const *env, const char *name) {
    size_t length = strlen(name);
    for (; *env; env++)
        if (!strncmp(*env, name, length) && (*env)[length] == '=')
            return *env + length + 1;
    return "";
}

/* Returns when nothing could be executed, with the error that says most about it in errno. */
static void execute(char *const *argv, char *const *env) {
    if (strchr(argv[0], '/')) {
        execve(argv[0], argv, env);
        return;
    }
    int telling = ENOENT;
    const char *directory = variable(env, "PATH");
    for (size_t length;; directory += length + 1) {
        char path[4096];
        length = strcspn(directory, ":");
        int size = snprintf(path, sizeof path, "%.*s/%s", length ? (int)length : 1, length ? directory : ".", argv[0]);
        if ((size_t)size < sizeof path) {
            execve(path, argv, env);
            if (errno != ENOENT && errno != ENOTDIR)
                telling = errno;
        }
        if (!directory[length])
            break;
    }
    errno = telling;
}

/* While it may still raise them. */
static int set_ulimits(const struct container_plan *container, struct error *error) {
    for (size_t index = 0; index < container->ulimits.count; index++) {
        const struct ulimit_plan *ulimit = &container->ulimits.items[index];
        struct rlimit limit = {.rlim_cur = ulimit->soft, .rlim_max = ulimit->hard};
        if (setrlimit((int)ulimit->resource, &limit) < 0)
            return fail_errno(error, "ulimit %d", (int)ulimit->resource);
    }
    return 0;
}

static int enter(const struct launch *launch, struct error *error) {
    if (setrlimit(RLIMIT_NOFILE, &machine.files) < 0)
        return fail_errno(error, "limit of open files");
    if (group_enter(launch->container->name) < 0)
        return fail_errno(error, "cgroup");
    if (launch->guest)
        return borrow_root(launch->join, error);
    return launch->join ? join_namespace(launch->join, error) : rootfs_enter(launch->container, launch->plan, error);
}

/* Fills in the error and returns an exit code. */
static int become(const struct launch *launch, int report, struct error *error) {
    struct identity identity;
    uint8_t mount_namespace[NAMESPACE_SIZE] = {0};
    reset_signals();
    setsid();
    int entered = enter(launch, error);
    if (entered == 0)
        put_u64(mount_namespace, own_mount_namespace());
    if (write(report, mount_namespace, sizeof mount_namespace) < 0 || entered < 0)
        return CODE_SETUP;
    if (identity_resolve(launch->user, launch->container, &identity, error) < 0)
        return CODE_SETUP;
    if (launch->container->non_root && !launch->join && identity.uid == 0) {
        fail(error, "runs as root, which runAsNonRoot forbids");
        return CODE_SETUP;
    }
    if (take_stdio(launch, &identity, error) < 0 || enter_workdir(launch->workdir, error) < 0)
        return CODE_SETUP;
    if (launch->instead) {
        /* With it the pipe of the report is closed: it has begun. */
        sys_close_range(3, ~0u, 0);
        _exit(launch->instead(launch->argv));
    }
    char **env = make_env(launch, &identity);
    if (!env)
        return CODE_SETUP;
    if (!launch->guest &&
        (set_ulimits(launch->container, error) < 0 || filter_enter(launch->container, error) < 0 || take_identity(launch->container, &identity, error) < 0))
        return CODE_SETUP;
    /* Whatever PID 1 holds is closed on exec anyway; this is the second lock on that door. */
    sys_close_range(3, ~0u, X_CLOSE_RANGE_CLOEXEC);
    execute(launch->argv, env);
    int code = errno == ENOENT || errno == ENOTDIR ? CODE_NOT_FOUND : CODE_NOT_EXECUTABLE;
    fail_errno(error, "%.300s", launch->argv[0]);
    return code;
}

static void report_ready(struct source *source, uint32_t events) {
    struct start_report *report = containing(source, struct start_report, source);
    (void)events;
    for (;;) {
        ssize_t got = read(source->fd, report->data + report->size, sizeof report->data - report->size);
        if (got > 0) {
            report->size += (size_t)got;
            continue;
        }
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        loop_close(source);
        report->done(report);
        return;
    }
}

void report_finish(struct start_report *report) {
    if (report->source.fd >= 0)
        report_ready(&report->source, 0);
}

uint64_t report_namespace(const struct start_report *report) { return report->size >= NAMESPACE_SIZE ? get_u64(report->data) : 0; }

int report_error(const struct start_report *report, struct error *error) {
    if (report->size <= NAMESPACE_SIZE)
        return report->size < NAMESPACE_SIZE ? (fail(error, "was killed while it was being started"), CODE_SETUP) : 0;
    fail(error, "%.*s", (int)(report->size - NAMESPACE_SIZE - 1), (const char *)report->data + NAMESPACE_SIZE + 1);
    return report->data[NAMESPACE_SIZE];
}

static _Noreturn void child(const struct launch *launch, int report) {
    struct error error = {""};
    uint8_t message[1 + sizeof error.text];
    int code = become(launch, report, &error);
    size_t length = strlen(error.text);
    message[0] = (uint8_t)code;
    memcpy(message + 1, error.text, length);
    ssize_t written = write(report, message, 1 + length);
    _exit(written < 0 ? CODE_SETUP : code);
}

pid_t process_start(const struct launch *launch, struct start_report *report, struct error *error) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return fail_errno(error, "pipe");
    /* Until the child has set its handlers, a stop signal waits for it instead of being ignored as PID 1 ignores it. */
    sigset_t all, own;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &own);
    pid_t pid = fork();
    if (pid == 0)
        child(launch, ends[1]);
    sigprocmask(SIG_SETMASK, &own, NULL);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return fail_errno(error, "fork");
    }
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    report->source = (struct source){.fd = ends[0], .ready = report_ready};
    report->size = 0;
    loop_watch(&report->source, EPOLLIN);
    return pid;
}
