// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The launch plan as it lies on the disk "hyper-plan": a header, then fields (docs/wire.md). The tags below are the guest's half of
 * a contract whose other half is module_utils/_launch.py; a test reads these lines (`#define PLAN_X number`) and compares.
 *
 *   text     UTF-8 without NUL, without a terminator
 *   bytes    anything
 *   number   u64, little-endian, always 8 bytes; a flag is a number 0 or 1
 *   fields   nested fields
 *   +        may occur several times, in order; every other field at most once
 *   !        has to occur; an absent text is empty, an absent number is 0 (or what the comment says)
 *
 * In arguments, environment, probes, hooks and files PLAN_OWN_ADDRESS stands for the address that the first interface is given by DHCP.
 *
 * How a plan is tried without a guest: as root, as PID 1 of new PID, mount, network, IPC and UTS namespaces,
 *
 *   unshare --fork --pid --mount --net --ipc --uts -- hyperstart --test --plan FILE [--secrets FILE] --control FD[,FD...] --log FD --state DIR
 *
 * FILE is what would lie on the disk of that name; the control FDs are inherited UNIX stream sockets, one a port; the log FD is a file, pipe or socket;
 * DIR takes the writable layers and the scratch volumes, and a rootfs is "dir:/path". At power-off it exits: 0 after the phase Succeeded, 1 after
 * Failed, 2 when the plan could not be carried out. Everything else is the code that a guest runs.
 */
#ifndef PLAN_H
#define PLAN_H

#define PLAN_MAGIC "HYPERPLN"
#define PLAN_VERSION 1
#define PLAN_HEADER_SIZE 24
#define PLAN_MAX_SIZE 16777216
/* The disk has two places for a plan, one behind the other; of two whole plans the one with the higher revision counts. Behind them lie images. */
#define PLAN_PLACE_SIZE 33554432
/* No shorter than an address of IPv4 can be, so that this finds room in its place. */
#define PLAN_OWN_ADDRESS "{{pod-address}}"

/* plan */
#define PLAN_HOSTNAME 1        /* text ! */
#define PLAN_HOSTS 2           /* bytes: /etc/hosts */
#define PLAN_RESOLV_CONF 3     /* bytes: /etc/resolv.conf */
#define PLAN_INTERFACE 4       /* fields + */
#define PLAN_VOLUME 5          /* fields + */
#define PLAN_CONTAINER 6       /* fields + ! */
#define PLAN_SCRATCH 7         /* flag !: the disk hyper-scratch is there; without it the writable layers lie on a tmpfs */
#define PLAN_ACTIVE_DEADLINE 8 /* number of seconds that the pod may take in all; absent: for ever */
#define PLAN_SYSCTL 20         /* text + "net/ipv4/ip_forward=1": a file below /proc/sys */
#define PLAN_IMAGE 200         /* fields +: an image that came while the guest ran, on the plan's own disk */
#define PLAN_SECRETS 280       /* flag: values are missing in the plan; they lie on the disk hyper-secrets, or came with UPDATE */

/* image */
#define IMAGE_SERIAL 1 /* text ! as a disk's */
#define IMAGE_OFFSET 2 /* number of bytes ! a multiple of 512 */
#define IMAGE_SIZE 3   /* number of bytes ! a multiple of 512 */

/* interface */
#define INTERFACE_MAC 1          /* text ! "52:54:00:12:34:56" */
#define INTERFACE_ADDRESS 2      /* text + "10.0.2.15/24", "fec0::15/64" */
#define INTERFACE_GATEWAY 3      /* text + a default route by it */
#define INTERFACE_MTU 4          /* number; absent: the device's own, or a smaller one that DHCP says */
#define INTERFACE_DHCP 260       /* flag: it is given an address of IPv4 by DHCP, for which containers wait */
#define INTERFACE_ADVERTISED 261 /* flag: what routers of IPv6 advertise is taken */
#define INTERFACE_ROUTED 262     /* number + 4 or 6: the family of a default route that is taken from what is offered */
#define INTERFACE_RESOLVER 263   /* flag: the name servers that DHCP says are the pod's, before those of PLAN_RESOLV_CONF */
#define INTERFACE_NAMES 264      /* text: what /etc/hosts calls the address that DHCP gives */

/* volume */
#define VOLUME_NAME 1      /* text ! */
#define VOLUME_KIND 2      /* text ! "scratch", "tmpfs", "disk" (its filesystem), "block" (a disk without), "image" (read-only), "host" or "nfs" */
#define VOLUME_SIZE 3      /* number of bytes, tmpfs only; absent: the kernel's default */
#define VOLUME_GROUP 10    /* number: the group that the volume belongs to, and new files in it */
#define VOLUME_FILE 11     /* fields + of a tmpfs: what it holds from the start */
#define VOLUME_SERIAL 220  /* text: which disk; not of scratch, tmpfs, host and nfs */
#define VOLUME_REGROUP 221 /* flag, disk: all files are given to the group at each start, not only where the volume has another */

#define VOLUME_SERVER 400 /* text ! of nfs, an address */
#define VOLUME_PATH 401   /* text ! of nfs, what the server exports */

/* file */
#define FILE_PATH 1     /* text ! a relative path */
#define FILE_DATA 2     /* bytes */
#define FILE_MODE 3     /* number ! permission bits */
#define FILE_SECRET 280 /* text: the name of the secret that is its data */

/* container */
#define CONTAINER_NAME 1               /* text ! */
#define CONTAINER_ROOTFS 2             /* text ! a disk's serial, or "dir:/path" */
#define CONTAINER_ARGV 3               /* text + ! */
#define CONTAINER_ENV 4                /* text + "NAME=value" */
#define CONTAINER_WORKDIR 5            /* text; absent: "/" */
#define CONTAINER_USER 6               /* text "", "uid", "name", "uid:gid", "name:group" */
#define CONTAINER_ADDITIONAL_GROUP 7   /* number + */
#define CONTAINER_STOP_SIGNAL 8        /* number; absent: SIGTERM */
#define CONTAINER_GRACE_PERIOD 9       /* number of seconds ! */
#define CONTAINER_RESTART_POLICY 10    /* text ! "Always", "OnFailure", "Never" */
#define CONTAINER_MOUNT 11             /* fields + */
#define CONTAINER_CAPABILITY 12        /* number + a capability that is kept */
#define CONTAINER_READONLY_ROOTFS 13   /* flag */
#define CONTAINER_NO_NEW_PRIVILEGES 14 /* flag */
#define CONTAINER_PRIVILEGED 15        /* flag: all capabilities, nothing of /proc and /sys masked */
#define CONTAINER_TTY 16               /* flag */
#define CONTAINER_STDIN 17             /* flag: stdin stays open instead of being /dev/null */
#define CONTAINER_INIT 18              /* flag: before all that follow; with "Always" beside them from then on, and ended after them (a sidecar) */
#define CONTAINER_STARTUP_PROBE 19     /* fields: probe */
#define CONTAINER_LIVENESS_PROBE 20    /* fields: probe */
#define CONTAINER_READINESS_PROBE 21   /* fields: probe */
#define CONTAINER_POST_START 22        /* fields: action, not "tcp"; the container counts as started when it has succeeded */
#define CONTAINER_PRE_STOP 23          /* fields: action, not "tcp"; before the stop signal, within the grace period */
#define CONTAINER_MERGE_GROUPS 30      /* flag: the groups of the user in the image are added where its group is given, too */
#define CONTAINER_NON_ROOT 31          /* flag: not started as uid 0 */
#define CONTAINER_UNMASKED_PROC 32     /* flag: nothing of /proc masked */
#define CONTAINER_CPU_QUOTA 33         /* number of microseconds in each 100000; absent: no limit */
#define CONTAINER_CPU_WEIGHT 34        /* number, 1 to 10000; absent: the kernel's default */
#define CONTAINER_MEMORY_LIMIT 35      /* number of bytes; absent: no limit */
#define CONTAINER_STORAGE_LIMIT 420    /* number of bytes in its writable layer; absent: no limit */
#define CONTAINER_ULIMIT 260           /* fields + of every process of it */
#define CONTAINER_GROUP_NAME 261       /* text + an additional group, by its name in the image */
#define CONTAINER_DEVICE 220           /* fields + */
#define CONTAINER_LAST_WORD_PATH 240   /* text, an absolute path: a file for what the container says of its end; absent: there is none */
#define CONTAINER_LAST_WORD_LOG 241    /* flag: where that is empty and the container failed, the end of its output */
#define CONTAINER_STDIN_ONCE 320       /* flag: stdin is closed when whoever was attached to it has left */
#define CONTAINER_FILTERED 242         /* flag: system calls that belong to the machine's owner are refused */
#define CONTAINER_SECRET_ARGV 280      /* fields +: joined, a word with secrets in it */
#define CONTAINER_SECRET_ENV 281       /* fields +: joined, a variable with secrets in it */

/* joined: takes the place of what stands in the list of texts */
#define JOINED_INDEX 1 /* number: which one */
#define JOINED_PART 2  /* fields + ! what it is made of, in order */

/* part */
#define PART_TEXT 1   /* text */
#define PART_SECRET 2 /* text: the name of a secret, whose value comes behind the text */

/* device */
#define DEVICE_VOLUME 1 /* text ! of kind "block" */
#define DEVICE_PATH 2   /* text ! an absolute path in the container */

/* probe */
#define PROBE_ACTION 1            /* fields ! not "sleep" */
#define PROBE_INITIAL_DELAY 2     /* number of seconds since the start of the container */
#define PROBE_PERIOD 3            /* number of seconds ! */
#define PROBE_TIMEOUT 4           /* number of seconds ! */
#define PROBE_SUCCESS_THRESHOLD 5 /* number ! */
#define PROBE_FAILURE_THRESHOLD 6 /* number ! */
#define PROBE_GRACE_PERIOD 7      /* number of seconds; absent: the container's */

/* action */
#define ACTION_KIND 1    /* text ! "exec", "tcp", "http", "sleep" */
#define ACTION_ARGV 2    /* text + exec */
#define ACTION_ADDRESS 3 /* text, tcp and http */
#define ACTION_PORT 4    /* number, tcp and http */
#define ACTION_REQUEST 5 /* bytes, http: what is sent; an answer of 200 to 399 is success */
#define ACTION_SECONDS 6 /* number, sleep */

/* ulimit */
#define ULIMIT_RESOURCE 1 /* number of setrlimit(2) */
#define ULIMIT_SOFT 2     /* number; 2^64 - 1: no limit */
#define ULIMIT_HARD 3     /* number ! likewise, not below the soft one */

/* mount */
#define MOUNT_VOLUME 1      /* text ! */
#define MOUNT_TARGET 2      /* text ! an absolute path in the container */
#define MOUNT_SUBPATH 3     /* text: a path within the volume */
#define MOUNT_READONLY 4    /* flag */
#define MOUNT_COPY_UP 5     /* flag: an empty volume is first filled with the image's content at the target */
#define MOUNT_PROPAGATION 6 /* text: mounts that others make in the volume appear in it ("HostToContainer"), and its own in theirs ("Bidirectional") */

/* The values of secrets, as they lie on the disk hyper-secrets or come in SECRETS frames: a header as the plan's, then fields. */
#define SECRETS_MAGIC "HYPERSEC"
#define SECRETS_MAX_SIZE 786432 /* with the header: encrypted, in base64, about what systemd takes for a credential */

/* secrets */
#define SECRETS_SECRET 1 /* fields + */

/* secret */
#define SECRET_NAME 1  /* text ! as the plan calls it */
#define SECRET_VALUE 2 /* bytes */

#endif
