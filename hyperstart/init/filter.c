// SPDX-License-Identifier: GPL-3.0-or-later
#include "filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined __x86_64__
#define NATIVE AUDIT_ARCH_X86_64
#define FIRST_FOREIGN 0x40000000 /* of the x32 ABI */
#elif defined __aarch64__
#define NATIVE AUDIT_ARCH_AARCH64
#define FIRST_FOREIGN 0xffffffff
#endif

#define NOBODY 64 /* no capability allows it */
/* CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET */
#define NEW_NAMESPACES 0x7e020000

/* As the default profile of moby and containerd/cri has it. */
static const struct {
    uint32_t number;
    uint8_t capability;
} refused[] = {
#if defined __x86_64__
    {SYS_create_module, NOBODY},
    {SYS_get_kernel_syms, NOBODY},
    {SYS_ioperm, CAP_SYS_RAWIO},
    {SYS_iopl, CAP_SYS_RAWIO},
    {SYS_query_module, NOBODY},
    {SYS__sysctl, NOBODY},
    {SYS_sysfs, NOBODY},
    {SYS_uselib, NOBODY},
    {SYS_ustat, NOBODY},
#endif
    {SYS_acct, CAP_SYS_PACCT},
    {SYS_add_key, NOBODY},
    {SYS_bpf, CAP_SYS_ADMIN},
    {SYS_chroot, CAP_SYS_CHROOT},
    {SYS_clock_settime, CAP_SYS_TIME},
    {SYS_delete_module, CAP_SYS_MODULE},
    {SYS_fanotify_init, CAP_SYS_ADMIN},
    {SYS_finit_module, CAP_SYS_MODULE},
    {431 /* fsconfig */, CAP_SYS_ADMIN},
    {432 /* fsmount */, CAP_SYS_ADMIN},
    {430 /* fsopen */, CAP_SYS_ADMIN},
    {433 /* fspick */, CAP_SYS_ADMIN},
    {SYS_get_mempolicy, CAP_SYS_NICE},
    {SYS_init_module, CAP_SYS_MODULE},
    {426 /* io_uring_enter */, NOBODY},
    {427 /* io_uring_register */, NOBODY},
    {425 /* io_uring_setup */, NOBODY},
    {SYS_kcmp, CAP_SYS_PTRACE},
    {SYS_kexec_file_load, NOBODY},
    {SYS_kexec_load, NOBODY},
    {SYS_keyctl, NOBODY},
    {SYS_lookup_dcookie, CAP_SYS_ADMIN},
    {SYS_mbind, CAP_SYS_NICE},
    {SYS_migrate_pages, NOBODY},
    {SYS_mount, CAP_SYS_ADMIN},
    {442 /* mount_setattr */, CAP_SYS_ADMIN},
    {429 /* move_mount */, CAP_SYS_ADMIN},
    {SYS_move_pages, NOBODY},
    {SYS_nfsservctl, NOBODY},
    {SYS_open_by_handle_at, CAP_DAC_READ_SEARCH},
    {428 /* open_tree */, CAP_SYS_ADMIN},
    {SYS_perf_event_open, CAP_SYS_ADMIN},
    {438 /* pidfd_getfd */, CAP_SYS_PTRACE},
    {SYS_pivot_root, NOBODY},
    {440 /* process_madvise */, CAP_SYS_PTRACE},
    {SYS_quotactl, CAP_SYS_ADMIN},
    {443 /* quotactl_fd */, CAP_SYS_ADMIN},
    {SYS_reboot, CAP_SYS_BOOT},
    {SYS_request_key, NOBODY},
    {SYS_set_mempolicy, CAP_SYS_NICE},
    {450 /* set_mempolicy_home_node */, CAP_SYS_NICE},
    {SYS_setdomainname, CAP_SYS_ADMIN},
    {SYS_sethostname, CAP_SYS_ADMIN},
    {SYS_setns, CAP_SYS_ADMIN},
    {SYS_settimeofday, CAP_SYS_TIME},
    {SYS_swapoff, NOBODY},
    {SYS_swapon, NOBODY},
    {SYS_syslog, CAP_SYSLOG},
    {SYS_umount2, CAP_SYS_ADMIN},
    {SYS_unshare, CAP_SYS_ADMIN},
    {SYS_userfaultfd, NOBODY},
    {SYS_vhangup, CAP_SYS_TTY_CONFIG},
};
#define REFUSED (sizeof refused / sizeof *refused)

#define LOAD(member) (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define RETURN(what) (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, what)
#define SKIP_UNLESS(test, value, count) (struct sock_filter) BPF_JUMP(BPF_JMP | test | BPF_K, value, 0, count)

static bool keeps(const struct container_plan *container, unsigned capability) {
    for (size_t index = 0; index < container->capabilities.count; index++)
        if (container->capabilities.items[index] == capability)
            return true;
    return false;
}

int filter_enter(const struct container_plan *container, struct error *error) {
    struct sock_filter code[2 * REFUSED + 16];
    const uint32_t no = SECCOMP_RET_ERRNO | EPERM;
    unsigned short size = 0;
    if (!container->filtered)
        return 0;
    /* What does not come by the machine's own numbers, such as 32-bit programs, is refused as a whole. */
    code[size++] = LOAD(arch);
    code[size++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE, 1, 0);
    code[size++] = RETURN(no);
    code[size++] = LOAD(nr);
    code[size++] = SKIP_UNLESS(BPF_JGE, FIRST_FOREIGN, 1);
    code[size++] = RETURN(no);
    for (size_t index = 0; index < REFUSED; index++)
        if (!keeps(container, refused[index].capability)) {
            code[size++] = SKIP_UNLESS(BPF_JEQ, refused[index].number, 1);
            code[size++] = RETURN(no);
        }
    if (!keeps(container, CAP_SYS_ADMIN)) {
        /* Its flags lie in memory, which a filter cannot see; whoever is told that there is no clone3 takes clone. */
        code[size++] = SKIP_UNLESS(BPF_JEQ, 435 /* clone3 */, 1);
        code[size++] = RETURN(SECCOMP_RET_ERRNO | ENOSYS);
        code[size++] = SKIP_UNLESS(BPF_JEQ, SYS_clone, 3);
        code[size++] = LOAD(args[0]);
        code[size++] = SKIP_UNLESS(BPF_JSET, NEW_NAMESPACES, 1);
        code[size++] = RETURN(no);
    }
    code[size++] = RETURN(SECCOMP_RET_ALLOW);
    struct sock_fprog program = {.len = size, .filter = code};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
        return fail_errno(error, "filter of system calls");
    return 0;
}
