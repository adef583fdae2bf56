/* What is exported of a core, by name. Every word of struct zok__counters has its row; a test counts. */
#include "runtime/export.h"

#include "zokio/task.h"

#define AT(member) ((uint32_t)offsetof(struct zok__export_core, member))

#define ROW(name_, kind_, member)                                                           \
	{                                                                                   \
		.name = name_, .kind = ZOK_EXPORT_##kind_, .offset = AT(member), .count = 1 \
	}
#define COUNTER(member) ROW(#member, COUNTER, counters.stats.member)
#define GAUGE(member)	ROW(#member, GAUGE, counters.stats.member)
#define MAX(member)	ROW(#member, MAX, counters.stats.member)
#define OP(text, kind_) ROW("ops_" text, COUNTER, counters.stats.ops[ZOK_OP_##kind_])
#define LATENCY(text, class_)                                                                                        \
	{                                                                                                            \
		.name = "wake_to_run_" text, .kind = ZOK_EXPORT_LATENCY,                                             \
		.offset = AT(counters.latency[ZOK_CLASS_##class_ - ZOK_CLASS_LATENCY]), .count = ZOK_LATENCY_BUCKETS \
	}

const struct zok_export_field zok__export_fields[] = {
	COUNTER(tasks_spawned),
	COUNTER(tasks_finished),
	COUNTER(tasks_polled),
	COUNTER(fibers_spawned),
	COUNTER(wakes),
	COUNTER(wakes_remote),
	COUNTER(budget_overruns),
	COUNTER(yields),
	OP("nop", NOP),
	OP("read", READ),
	OP("write", WRITE),
	OP("recv", RECV),
	OP("recv_buffers", RECV_BUFFERS),
	OP("send", SEND),
	OP("sendmsg", SENDMSG),
	OP("accept", ACCEPT),
	OP("connect", CONNECT),
	OP("shutdown", SHUTDOWN),
	OP("splice", SPLICE),
	OP("poll", POLL),
	OP("close", CLOSE),
	OP("file_open", FILE_OPEN),
	OP("file_read", FILE_READ),
	OP("file_write", FILE_WRITE),
	OP("file_readv", FILE_READV),
	OP("file_writev", FILE_WRITEV),
	OP("file_write_sync", FILE_WRITE_SYNC),
	OP("file_sync", FILE_SYNC),
	OP("file_sync_range", FILE_SYNC_RANGE),
	OP("file_allocate", FILE_ALLOCATE),
	OP("file_truncate", FILE_TRUNCATE),
	OP("file_advise", FILE_ADVISE),
	OP("file_stat", FILE_STAT),
	OP("file_rename", FILE_RENAME),
	OP("file_link", FILE_LINK),
	OP("file_unlink", FILE_UNLINK),
	OP("file_mkdir", FILE_MKDIR),
	OP("file_list", FILE_LIST),
	OP("file_copy", FILE_COPY),
	OP("file_watch", FILE_WATCH),
	OP("memory_advise", MEMORY_ADVISE),
	OP("memory_unmap", MEMORY_UNMAP),
	OP("memory_register", MEMORY_REGISTER),
	OP("memory_unregister", MEMORY_UNREGISTER),
	COUNTER(completions),
	COUNTER(cancels),
	COUNTER(submits),
	COUNTER(waits),
	COUNTER(sqe_shortages),
	COUNTER(cq_overflows),
	COUNTER(buffer_shortages),
	COUNTER(fd_shortages),
	COUNTER(direct_joins),
	COUNTER(direct_refusals),
	COUNTER(sockets_opened),
	COUNTER(sockets_closed),
	COUNTER(bytes_received),
	COUNTER(bytes_sent),
	COUNTER(files_opened),
	COUNTER(files_closed),
	COUNTER(bytes_read),
	COUNTER(bytes_written),
	COUNTER(timers_expired),
	COUNTER(messages_sent),
	COUNTER(messages_received),
	COUNTER(connections_accepted),
	COUNTER(connections_handed),
	COUNTER(steal_attempts),
	COUNTER(steals),
	ROW("steals_smt", COUNTER, counters.stats.steals_by_tier[0]),
	ROW("steals_cache", COUNTER, counters.stats.steals_by_tier[1]),
	ROW("steals_node", COUNTER, counters.stats.steals_by_tier[2]),
	ROW("steals_far", COUNTER, counters.stats.steals_by_tier[3]),
	COUNTER(sweeps_failed),
	COUNTER(tasks_stolen),
	COUNTER(tasks_rescued),
	COUNTER(tasks_injected),
	COUNTER(tasks_returned),
	COUNTER(tasks_adopted),
	COUNTER(stuck),
	COUNTER(wakes_by_ring),
	COUNTER(placements_lost),
	COUNTER(time_total_ns),
	COUNTER(time_idle_ns),
	COUNTER(time_kernel_ns),
	COUNTER(time_callbacks_ns),
	COUNTER(loops),
	GAUGE(tasks_alive),
	GAUGE(fibers_alive),
	MAX(stack_used_max),
	COUNTER(stalls),
	MAX(stall_ns_max),
	COUNTER(faults_contained),
	GAUGE(runq_depth_latency),
	GAUGE(runq_depth_normal),
	GAUGE(runq_depth_bulk),
	GAUGE(mail_depth),
	MAX(mail_depth_max),
	GAUGE(is_idle),
	LATENCY("latency", LATENCY),
	LATENCY("normal", NORMAL),
	LATENCY("bulk", BULK),
	ROW("cpu", GAUGE, cpu),
	ROW("thread", GAUGE, thread),
};

const unsigned zok__export_field_count = sizeof zok__export_fields / sizeof *zok__export_fields;
