// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The control ports' frames and the tags of their payloads (docs/wire.md). The host's half is module_utils/_control.py; a test reads
 * these lines (`#define NAME number`) and compares. Kinds of values: see plan.h.
 */
#ifndef CONTROL_H
#define CONTROL_H

#define FRAME_MAGIC 0x5048
#define FRAME_HEADER_SIZE 16
#define FRAME_MAX_PAYLOAD 65536

/* frame types */
#define FRAME_HELLO 1
#define FRAME_STATUS 2
#define FRAME_WATCH 3
#define FRAME_EXEC 4
#define FRAME_STDIN 5
#define FRAME_STDOUT 6
#define FRAME_STDERR 7
#define FRAME_EXIT 8
#define FRAME_CREDIT 9
#define FRAME_STOP 10
#define FRAME_OK 11
#define FRAME_ERROR 12
#define FRAME_SIGNAL 13
#define FRAME_RESIZE 30
#define FRAME_UPDATE 200
#define FRAME_SECRETS 201
#define FRAME_KILL 40
#define FRAME_RESTART 41
#define FRAME_SAMPLE 42
#define FRAME_RELEASE 43
#define FRAME_BEGIN 50

#define HELLO_SIZE 16
#define STDIN_CREDIT 65536

/* EXEC */
#define EXEC_CONTAINER 1  /* text; absent: the pod's first that is no init container */
#define EXEC_ARGV 2       /* text +, at least one but for EXEC_ATTACH */
#define EXEC_ENV 3        /* text + "NAME=value", on top of the container's own */
#define EXEC_WORKDIR 4    /* text; absent: the container's own */
#define EXEC_USER 5       /* text; absent: the container's own */
#define EXEC_STDIN 6      /* flag: STDIN frames will follow */
#define EXEC_ROWS 300     /* number of lines of the terminal that the command gets; absent: pipes */
#define EXEC_COLUMNS 301  /* number of columns of that terminal */
#define EXEC_DETACHED 302 /* flag: nothing is passed on; OK once the command runs, which then outlives the client */
#define EXEC_TREE 303     /* number: instead of a command a tree of files, TREE_SEND or TREE_RECEIVE; argv is its place */
#define EXEC_ATTACH 304   /* flag: no command, but what the container itself writes from now on, and reads, until it ends; no argv */
#define EXEC_GUEST 305    /* flag: in hyperstart's own namespaces, with all that root may do; the container lends its files, and ends it with itself */

/* EXEC: what EXEC_TREE asks for */
#define TREE_SEND 1    /* argv: a path, which is written to stdout, as a stream of entries */
#define TREE_RECEIVE 2 /* argv: a path, to which stdin is put; or, where it is a directory and there is a second word, this name in it */

/* entry of a tree */
#define ENTRY_MAX_SIZE 1048576
#define ENTRY_PATH 1       /* text: relative; absent: the root */
#define ENTRY_MODE 2       /* number ! as stat(2) has it, with the kind */
#define ENTRY_UID 3        /* number ! */
#define ENTRY_GID 4        /* number ! */
#define ENTRY_TIME 5       /* number !: nanoseconds since 1970, of the last change */
#define ENTRY_SIZE 6       /* number: of bytes that follow the fields; absent: none */
#define ENTRY_TARGET 7     /* text: of a symbolic link */
#define ENTRY_SAME 8       /* text: the path of an entry before, of which this one is a hard link */
#define ENTRY_DEVICE 9     /* number: major * 2^32 + minor */
#define ENTRY_ATTRIBUTE 10 /* fields + */
#define ENTRY_LEAVE 11     /* flag: a directory's second entry, behind all that is in it */

/* attribute of an entry */
#define ATTRIBUTE_NAME 1  /* text ! */
#define ATTRIBUTE_VALUE 2 /* bytes */

/* STATUS */
#define STATUS_PHASE 1        /* text ! "Pending", "Running", "Succeeded", "Failed", "Stopping" */
#define STATUS_MESSAGE 2      /* text */
#define STATUS_CONTAINER 3    /* fields +, in the plan's order */
#define STATUS_REASON 4       /* text: "DeadlineExceeded", "Evicted" */
#define STATUS_STARTED_AT 240 /* number: nanoseconds since 1970, of the guest's start */
#define STATUS_INTERFACE 260  /* fields +, in the plan's order: those that are given addresses by the network */

/* STATUS: interface */
#define STATUS_INTERFACE_MAC 1     /* text ! */
#define STATUS_INTERFACE_ADDRESS 2 /* text +, without a prefix; IPv4 first */

/* STATUS: container */
#define STATUS_CONTAINER_NAME 1          /* text ! */
#define STATUS_CONTAINER_STATE 2         /* text ! "waiting", "running", "terminated" */
#define STATUS_CONTAINER_REASON 3        /* text, e.g. "CrashLoopBackOff", "Completed", "Error", "StartError", "Terminating" (it was removed) */
#define STATUS_CONTAINER_MESSAGE 4       /* text */
#define STATUS_CONTAINER_PID 5           /* number, while running */
#define STATUS_CONTAINER_EXIT_CODE 6     /* number, of the last end if there was one */
#define STATUS_CONTAINER_SIGNAL 7        /* number, of the last end if a signal caused it */
#define STATUS_CONTAINER_RESTART_COUNT 8 /* number ! */
#define STATUS_CONTAINER_STARTED_AT 9    /* number: nanoseconds since 1970, of the last start */
#define STATUS_CONTAINER_FINISHED_AT 10  /* number: nanoseconds since 1970, of the last end */
#define STATUS_CONTAINER_READY 11        /* flag: its readiness probe says so, or it has none; of an init container: it has succeeded */
#define STATUS_CONTAINER_STARTED 12      /* flag: it runs, and its startup probe has succeeded, or it has none */

#define STATUS_CONTAINER_LAST_REASON 13     /* text, of the last end */
#define STATUS_CONTAINER_LAST_MESSAGE 14    /* text, of the last end */
#define STATUS_CONTAINER_LAST_STARTED_AT 15 /* number: nanoseconds since 1970, of the start before the last end */
#define STATUS_CONTAINER_LAST_WORD 241      /* text: what the container said of its last end */
#define STATUS_CONTAINER_TURNED_AT 240      /* number: nanoseconds since 1970, of when it last became ready or ceased to be; absent: it has never been */

/* EXIT */
#define EXIT_CODE 1   /* number ! 0-255; 128 + signal when a signal ended it */
#define EXIT_SIGNAL 2 /* number, when a signal ended it */

/* STOP */
#define STOP_GRACE_PERIOD 1 /* number of seconds; absent: each container's own */

/* ERROR */
#define ERROR_MESSAGE 1 /* text ! */
#define ERROR_CODE 2    /* number: 127 when a command was not found, 126 when it cannot be executed */

/* RESIZE */
#define RESIZE_ROWS 1    /* number ! */
#define RESIZE_COLUMNS 2 /* number ! */

/* SIGNAL */
#define SIGNAL_NUMBER 1 /* number ! */

/* UPDATE: the plan's disk holds a newer plan. Containers that only one of the two plans has are added or removed, all that are not named stay as they are. */
#define UPDATE_REPLACE 1  /* text + a container that is ended and begun anew by the newer plan */
#define UPDATE_RETUNE 2   /* text + a container that goes on with the limits, the grace period and the restart policy of the newer plan */
#define UPDATE_ROLLBACK 3 /* flag: what the plan before the present one left on the scratch disk is taken up again */

/* KILL */
#define KILL_CONTAINER 1 /* text; absent: all that run */
#define KILL_SIGNAL 2    /* number ! */

/* RESTART */
#define RESTART_CONTAINER 1    /* text ! */
#define RESTART_GRACE_PERIOD 2 /* number of seconds; absent: the container's own */

/* RELEASE */
#define RELEASE_SERIAL 1 /* text ! of the disk that is to be taken away */

/* SAMPLE */
#define SAMPLE_AFTER 1     /* number, in the request: only processes with a greater pid, and nothing else */
#define SAMPLE_FILE 2      /* fields + */
#define SAMPLE_PROCESS 3   /* fields + */
#define SAMPLE_CONTINUES 4 /* flag: more processes follow those of this frame */

/* SAMPLE: file */
#define SAMPLE_FILE_NAME 1      /* text ! "net/dev", "diskstats", "meminfo" or "uptime" of /proc, or of a container's cgroup "cpu.stat", "memory.current" */
#define SAMPLE_FILE_CONTAINER 2 /* text: whose cgroup */
#define SAMPLE_FILE_TEXT 3      /* text ! as the kernel writes it */

/* SAMPLE: process */
#define SAMPLE_PROCESS_PID 1       /* number ! */
#define SAMPLE_PROCESS_CONTAINER 2 /* text ! */
#define SAMPLE_PROCESS_UID 3       /* number ! the effective one */
#define SAMPLE_PROCESS_STAT 4      /* text ! /proc/PID/stat */
#define SAMPLE_PROCESS_COMMAND 5   /* bytes: /proc/PID/cmdline, its beginning */

/* BEGIN */
#define BEGIN_TIME 1 /* number ! nanoseconds since 1970: the host's time */
#define BEGIN_SEED 2 /* bytes ! BEGIN_SEED_SIZE random ones */
#define BEGIN_SEED_SIZE 64

#endif
