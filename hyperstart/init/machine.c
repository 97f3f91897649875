// SPDX-License-Identifier: GPL-3.0-or-later
#include "machine.h"

#include "files.h"
#include "loop.h"
#include "modules.h"
#include "syscalls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KILL_TIMEOUT_MS 5000

struct machine machine = {.state = "/run/hyper"};

const char *state_path(const char *format, ...) {
    static char paths[4][4096];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    int used = snprintf(path, sizeof *paths, "%s/", machine.state);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(path + used, sizeof *paths - (size_t)used, format, arguments);
    va_end(arguments);
    return path;
}

struct mounted {
    const char *type, *target, *options;
    unsigned long flags;
    bool optional;
};

static int mount_all(const struct mounted *mounts, size_t count, struct error *error) {
    for (size_t index = 0; index < count; index++) {
        const struct mounted *entry = &mounts[index];
        if (directories_make(entry->target, 0755) < 0 || mount(entry->type, entry->target, entry->type, entry->flags, entry->options) < 0)
            if (!entry->optional)
                return fail_errno(error, "mounting %s", entry->target);
    }
    return 0;
}

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define QUIET (MS_NOSUID | MS_NODEV | MS_NOEXEC)

/*
 * The initramfs cannot be pivoted away from (EINVAL), so PID 1 moves onto a tmpfs; what a container's root is pivoted over is then this tmpfs.
 */
static int leave_initramfs(struct error *error) {
    if (mkdir("/root", 0755) < 0 && errno != EEXIST)
        return fail_errno(error, "making /root");
    if (mount("tmpfs", "/root", "tmpfs", 0, "mode=755") < 0 || chdir("/root") < 0)
        return fail_errno(error, "mounting the root");
    static const struct mounted mounts[] = {
        {"proc", "proc", NULL, QUIET, false},
        {"sysfs", "sys", NULL, QUIET, false},
        {"devtmpfs", "dev", NULL, MS_NOSUID, false},
        {"devpts", "dev/pts", "mode=620,gid=5,ptmxmode=666", MS_NOSUID | MS_NOEXEC, false},
        {"tmpfs", "dev/shm", "mode=1777", MS_NOSUID | MS_NODEV, false},
        {"mqueue", "dev/mqueue", NULL, QUIET, true},
        {"cgroup2", "sys/fs/cgroup", NULL, QUIET, true},
    };
    if (mount_all(mounts, COUNT(mounts), error) < 0)
        return -1;
    if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
        return fail_errno(error, "moving onto the new root");
    machine.cgroups = access("/sys/fs/cgroup/cgroup.procs", W_OK) == 0;
    return 0;
}

/* The namespaces of a test come with the host's mounts, which are left as they are but for what a container's share is taken from. */
static int prepare_test(struct error *error) {
    static const struct mounted mounts[] = {
        {"proc", "/proc", NULL, QUIET, false},
        {"devpts", "/dev/pts", "newinstance,mode=620,gid=5,ptmxmode=666", MS_NOSUID | MS_NOEXEC, false},
        {"tmpfs", "/dev/shm", "mode=1777", MS_NOSUID | MS_NODEV, false},
        {"mqueue", "/dev/mqueue", NULL, QUIET, true},
    };
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return fail_errno(error, "making mounts private");
    /* Where the test was given a cgroup of its own; the host's root has no such file. */
    machine.cgroups = access("/sys/fs/cgroup/cgroup.kill", W_OK) == 0;
    return mount_all(mounts, COUNT(mounts), error);
}

/* PID 1 holds some for each container and exec. Programs get what is usual: few, since some walk through all that are possible; those that want more ask. */
static void prepare_limits(void) {
    if (machine.test)
        getrlimit(RLIMIT_NOFILE, &machine.files);
    else
        machine.files = (struct rlimit){1024, 1048576};
    struct rlimit own = {machine.files.rlim_max, machine.files.rlim_max};
    setrlimit(RLIMIT_NOFILE, &own);
}

int machine_prepare(struct error *error) {
    umask(022);
    prepare_limits();
    if (!machine.test) {
        modules_load_part();
        if (leave_initramfs(error) < 0)
            return -1;
        reboot(RB_DISABLE_CAD);
        /* As container engines set them: anybody may bind low ports and ping, inside a network that is the pod's own. */
        word_write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
        word_write("/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
    } else if (prepare_test(error) < 0) {
        return -1;
    }
    static const char *const directories[] = {"images", "scratch", "tmpfs", "disks", "devices", "host", "nfs", "etc", "skeleton", "root"};
    for (size_t index = 0; index < COUNT(directories); index++)
        if (directories_make(state_path("%s", directories[index]), 0755) < 0)
            return fail_errno(error, "making %s", state_path("%s", directories[index]));
    return 0;
}

/* Nothing is there to see; the kernel's that lack one of them are not worth a word. */
static void mask(const char *path) {
    struct stat status;
    if (lstat(path, &status) < 0)
        return;
    if (S_ISDIR(status.st_mode))
        mount("tmpfs", path, "tmpfs", MS_RDONLY | QUIET, "size=0,nr_inodes=2,mode=755");
    else
        mount("/dev/null", path, NULL, MS_BIND, NULL);
}

static int make_readonly(const char *path, struct error *error) {
    if (mount(path, path, NULL, MS_BIND, NULL) < 0)
        return errno == ENOENT ? 0 : fail_errno(error, "%s", path);
    return mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | QUIET, NULL) < 0 ? fail_errno(error, "%s", path) : 0;
}

/*
 * /proc and /sys as an unprivileged container sees them, masked as container engines do it. Made once, then cloned as a whole into each container.
 */
int machine_prepare_skeleton(struct error *error) {
    static const char *const readonly[] = {"bus", "fs", "irq", "sys", "sysrq-trigger"};
    static const char *const masked[] = {"acpi", "asound", "kcore", "keys", "latency_stats", "sched_debug", "scsi", "timer_list", "timer_stats"};
    const char *proc = state_path("skeleton/proc"), *sys = state_path("skeleton/sys");
    if (directories_make(proc, 0755) < 0 || mount("proc", proc, "proc", QUIET, NULL) < 0)
        return fail_errno(error, "mounting %s", proc);
    for (size_t index = 0; index < COUNT(readonly); index++)
        if (make_readonly(state_path("skeleton/proc/%s", readonly[index]), error) < 0)
            return -1;
    for (size_t index = 0; index < COUNT(masked); index++)
        mask(state_path("skeleton/proc/%s", masked[index]));
    sys = state_path("skeleton/sys");
    if (directories_make(sys, 0755) < 0 || mount("sysfs", sys, "sysfs", QUIET | MS_RDONLY, NULL) < 0)
        return fail_errno(error, "mounting %s", sys);
    if (machine.cgroups && mount("cgroup2", state_path("skeleton/sys/fs/cgroup"), "cgroup2", QUIET | MS_RDONLY, NULL) < 0)
        return fail_errno(error, "mounting cgroups for containers");
    mask(state_path("skeleton/sys/firmware"));
    return 0;
}

static void kill_everything(void) {
    uint64_t deadline = monotonic_ms() + KILL_TIMEOUT_MS;
    sigset_t children;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    kill(-1, SIGKILL);
    for (;;) {
        pid_t pid = waitpid(-1, NULL, WNOHANG);
        if (pid > 0)
            continue;
        uint64_t now = monotonic_ms();
        if (pid < 0 || now >= deadline)
            return;
        struct timespec wait = {.tv_sec = (time_t)((deadline - now) / 1000), .tv_nsec = (long)((deadline - now) % 1000 * 1000000)};
        sigtimedwait(&children, NULL, &wait);
    }
}

/* One that something still keeps is at least whole. */
static void let_go(const char *mounted) {
    if (umount2(mounted, 0) < 0)
        mount(NULL, mounted, NULL, MS_REMOUNT | MS_RDONLY, NULL);
}

void machine_power_off(int exit_code) {
    if (!machine.test || getpid() == 1)
        kill_everything();
    /* The end of its namespaces unmounts what a test has mounted; writing back all disks of its machine is none of its business. */
    if (machine.test)
        exit(exit_code);
    sync();
    let_go(state_path("scratch"));
    DIR *disks = opendir(state_path("disks"));
    for (struct dirent *entry; disks && (entry = readdir(disks));)
        if (entry->d_name[0] != '.')
            let_go(state_path("disks/%s", entry->d_name));
    sync();
    reboot(RB_POWER_OFF);
    /* A machine that cannot be switched off is stopped. */
    reboot(RB_HALT_SYSTEM);
    for (;;)
        pause();
}
