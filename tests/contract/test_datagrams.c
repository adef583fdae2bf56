/* Datagrams: each with its head, once; cut, empty, without a buffer, cancelled, refused; and sends that may not wait. */
#include "tests/contract/harness.h"

#include "core/dgram_head.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { NAME_ROOM = 32, PAYLOAD_ROOM = BUF_SIZE - 16 - NAME_ROOM };

struct inbox {
	uint32_t numbers[4096];
	unsigned count;
	struct zok__dgram_head last;
	struct sockaddr_in from;
	struct zok_buf *kept[BUFS_COUNT];
	unsigned kept_count;
	bool keeps;
};

static const struct msghdr rooms = {.msg_namelen = NAME_ROOM};

static void take(struct call *call, const struct zok_completion *completion)
{
	const struct zok__dgram_layout layout = zok__dgram_layout(&rooms);
	struct inbox *inbox = call->arg;

	assert_int_equal(completion->has_more, completion->buf != NULL);
	if (!completion->buf)
		return;
	memcpy(&inbox->last, completion->buf->data, sizeof inbox->last);
	memcpy(&inbox->from, completion->buf->data + layout.name_at, sizeof inbox->from);
	assert_true(completion->buf->len >= layout.payload_at && completion->buf->len <= BUF_SIZE);
	if (inbox->last.payload_len == sizeof(uint32_t))
		memcpy(&inbox->numbers[inbox->count], completion->buf->data + layout.payload_at, sizeof(uint32_t));
	inbox->count++;
	if (inbox->keeps)
		inbox->kept[inbox->kept_count++] = completion->buf;
	else
		zok__buf_release(completion->buf);
}

static void prepare_receive(struct call *call, struct rig *rig, int fd, struct inbox *inbox)
{
	memset(inbox, 0, sizeof *inbox);
	call_prepare(call, rig, ZOK_OP_RECVMSG_BUFFERS, fd);
	call->op.arg.message.header = (struct msghdr *)(uintptr_t)&rooms;
	call->op.arg.message.flags = MSG_TRUNC;
	call->each = take;
	call->arg = inbox;
}

static int udp_socket(struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), size = 1 << 20;
	socklen_t len = sizeof *address;

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	*address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(bind(fd, (struct sockaddr *)address, sizeof *address), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, &len), 0);
	return fd;
}

/* fds[0] sends to fds[1], which is connected to nobody. */
static void udp_pair(int fds[2], struct sockaddr_in addresses[2])
{
	fds[0] = udp_socket(&addresses[0]);
	fds[1] = udp_socket(&addresses[1]);
	assert_int_equal(connect(fds[0], (struct sockaddr *)&addresses[1], sizeof addresses[1]), 0);
}

static void until(struct rig *rig, const struct inbox *inbox, unsigned count)
{
	uint64_t deadline_ns = now_ns() + 10 * ZOK_S;

	while (inbox->count < count) {
		rig_turn(rig, ZOK_S);
		assert_true(now_ns() < deadline_ns);
	}
}

static void end_receive(struct rig *rig, struct call *call, int fds[2])
{
	call_cancel(call);
	assert_int_equal(call_await(call), -ECANCELED);
	run_close(rig, fds[0]);
	run_close(rig, fds[1]);
}

static void each_once_with_its_sender(void **state)
{
	struct rig *rig = rig_of(state);
	static struct inbox inbox;
	struct sockaddr_in addresses[2];
	struct call call;
	int fds[2];

	udp_pair(fds, addresses);
	prepare_receive(&call, rig, fds[1], &inbox);
	call_submit(&call);
	for (uint32_t i = 0; i < 500; i++) {
		assert_int_equal(send(fds[0], &i, sizeof i, 0), sizeof i);
		if (i % 50 == 49)
			until(rig, &inbox, i + 1);
	}
	assert_int_equal(inbox.count, 500);
	for (uint32_t i = 0; i < 500; i++)
		assert_int_equal(inbox.numbers[i], i);
	assert_int_equal(inbox.last.name_len, sizeof(struct sockaddr_in));
	assert_int_equal(inbox.from.sin_port, addresses[0].sin_port);
	assert_int_equal(inbox.last.control_len, 0);
	end_receive(rig, &call, fds);
}

static void empty_and_cut_ones_are_told(void **state)
{
	struct rig *rig = rig_of(state);
	static struct inbox inbox;
	static char bytes[PAYLOAD_ROOM + 100];
	struct sockaddr_in addresses[2];
	struct call call;
	int fds[2];

	udp_pair(fds, addresses);
	prepare_receive(&call, rig, fds[1], &inbox);
	call_submit(&call);
	for (unsigned i = 0; i < 6; i += 3) {
		assert_int_equal(send(fds[0], "", 0, 0), 0);
		until(rig, &inbox, i + 1);
		assert_int_equal(inbox.last.payload_len, 0);
		assert_int_equal(inbox.last.flags & MSG_TRUNC, 0);
		assert_int_equal(send(fds[0], bytes, PAYLOAD_ROOM, 0), PAYLOAD_ROOM);
		until(rig, &inbox, i + 2);
		assert_int_equal(inbox.last.payload_len, PAYLOAD_ROOM);
		assert_int_equal(inbox.last.flags & MSG_TRUNC, 0);
		assert_int_equal(send(fds[0], bytes, sizeof bytes, 0), sizeof bytes);
		until(rig, &inbox, i + 3);
		assert_int_equal(inbox.last.payload_len, sizeof bytes);
		assert_int_equal(inbox.last.flags & MSG_TRUNC, MSG_TRUNC);
	}
	end_receive(rig, &call, fds);
}

/* Told when something has come and not before, an empty one included; afterwards everything is there. */
static void without_a_buffer_it_is_a_shortage(void **state)
{
	struct rig *rig = rig_of(state);
	static struct inbox inbox;
	struct sockaddr_in addresses[2];
	struct call call;
	int fds[2];

	udp_pair(fds, addresses);
	prepare_receive(&call, rig, fds[1], &inbox);
	inbox.keeps = true;
	call_submit(&call);
	for (uint32_t i = 0; i < BUFS_COUNT; i++)
		assert_int_equal(send(fds[0], &i, sizeof i, 0), sizeof i);
	until(rig, &inbox, BUFS_COUNT);
	rig_turn(rig, 0);
	assert_true(call.is_in_flight || call.result == -ENOBUFS);
	assert_int_equal(send(fds[0], "", 0, 0), 0);
	assert_int_equal(call_await(&call), -ENOBUFS);
	assert_int_equal(rig->counters.stats.buffer_shortages, 1);
	while (inbox.kept_count > 0)
		zok__buf_release(inbox.kept[--inbox.kept_count]);
	inbox.keeps = false;
	call_submit(&call);
	until(rig, &inbox, BUFS_COUNT + 1);
	assert_int_equal(inbox.last.payload_len, 0);
	end_receive(rig, &call, fds);
}

/* What came before the cancel is delivered, or stays with the kernel: each once. */
static void a_cancel_loses_nothing(void **state)
{
	struct rig *rig = rig_of(state);
	static struct inbox inbox;
	struct sockaddr_in addresses[2];
	uint32_t seed = 7, sent = 0, seen = 0;
	struct call call;
	int fds[2];

	udp_pair(fds, addresses);
	for (int round = 0; round < 200; round++) {
		uint32_t count = random_next(&seed) % 5;

		prepare_receive(&call, rig, fds[1], &inbox);
		call_submit(&call);
		if (random_next(&seed) % 2)
			rig_turn(rig, 0);
		for (uint32_t i = 0; i < count; i++, sent++)
			assert_int_equal(send(fds[0], &sent, sizeof sent, 0), sizeof sent);
		if (random_next(&seed) % 2)
			rig_turn(rig, 0);
		call_cancel(&call);
		call_await(&call);
		for (unsigned i = 0; i < inbox.count; i++)
			assert_int_equal(inbox.numbers[i], seen++);
	}
	prepare_receive(&call, rig, fds[1], &inbox);
	call_submit(&call);
	assert_int_equal(send(fds[0], &sent, sizeof sent, 0), sizeof sent);
	sent++;
	until(rig, &inbox, sent - seen);
	assert_int_equal(inbox.numbers[inbox.count - 1], sent - 1);
	end_receive(rig, &call, fds);
}

static void a_refusal_ends_it_and_it_can_go_on(void **state)
{
	struct rig *rig = rig_of(state);
	static struct inbox inbox;
	struct sockaddr_in addresses[2];
	struct call call, send_call;
	int fds[2];

	udp_pair(fds, addresses);
	run_close(rig, fds[1]);
	prepare_receive(&call, rig, fds[0], &inbox);
	call_submit(&call);
	rig_turn(rig, 0);
	prepare_send(&send_call, rig, fds[0], "x", 1);
	assert_int_equal(call_run(&send_call), 1);
	assert_int_equal(call_await(&call), -ECONNREFUSED);
	call_submit(&call);
	fds[1] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fds[1], (struct sockaddr *)&addresses[1], sizeof addresses[1]), 0);
	assert_int_equal(sendto(fds[1], "y", 1, 0, (struct sockaddr *)&addresses[0], sizeof addresses[0]), 1);
	until(rig, &inbox, 1);
	end_receive(rig, &call, fds);
}

static void descriptors_and_rooms_too_small(void **state)
{
	struct rig *rig = rig_of(state);
	static struct inbox inbox;
	const struct msghdr large = {.msg_controllen = BUF_SIZE};
	struct call call;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(write(fds[0], "x", 1), 1);
	prepare_receive(&call, rig, fds[1], &inbox);
	call.op.arg.message.header = (struct msghdr *)(uintptr_t)&large;
	assert_int_equal(call_run(&call), -EFAULT);
	call_prepare(&call, rig, ZOK_OP_RECVMSG_BUFFERS, -1);
	call.op.arg.message.header = (struct msghdr *)(uintptr_t)&rooms;
	assert_int_equal(call_run(&call), -EBADF);
	run_close(rig, fds[0]);
	run_close(rig, fds[1]);
}

static void silent_messages_arrive(void **state)
{
	enum { COUNT = 400 };
	static struct call calls[COUNT];
	static struct msghdr headers[COUNT];
	static struct iovec vectors[COUNT];
	static uint32_t numbers[COUNT];
	struct rig *rig = rig_of(state);
	struct sockaddr_in addresses[2];
	uint32_t number;
	int fds[2];

	udp_pair(fds, addresses);
	for (uint32_t i = 0; i < COUNT; i++) {
		numbers[i] = i;
		vectors[i] = (struct iovec){&numbers[i], sizeof numbers[i]};
		headers[i] = (struct msghdr){
			.msg_name = &addresses[1], .msg_namelen = sizeof addresses[1], .msg_iov = &vectors[i], .msg_iovlen = 1};
		call_prepare(&calls[i], rig, ZOK_OP_SENDMSG, fds[0]);
		calls[i].op.arg.message.header = &headers[i];
		calls[i].op.is_silent = true;
		call_submit(&calls[i]);
	}
	calls[COUNT - 1].op.is_silent = false;
	rig_drain(rig);
	for (uint32_t i = 0; i < COUNT; i++) {
		assert_int_equal(calls[i].result, sizeof number);
		assert_int_equal(recv(fds[1], &number, sizeof number, MSG_DONTWAIT), sizeof number);
		assert_int_equal(number, i);
	}
	run_close(rig, fds[0]);
	run_close(rig, fds[1]);
}

/* A full receiver: who may not wait is told, who may waits for room, and the first says nothing of the second. */
static void who_may_not_wait_is_told(void **state)
{
	struct rig *rig = rig_of(state);
	char x = 'x';
	struct iovec vector = {&x, 1};
	struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
	struct call call;
	char byte;
	int fds[2], n = 0;

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
	for (;; n++) {
		call_prepare(&call, rig, ZOK_OP_SENDMSG, fds[0]);
		call.op.arg.message.header = &header;
		call.op.arg.message.flags = MSG_DONTWAIT;
		if (call_run(&call) < 0)
			break;
		assert_true(n < 100000);
	}
	assert_int_equal(call.result, -EAGAIN);
	call_prepare(&call, rig, ZOK_OP_SENDMSG, fds[0]);
	call.op.arg.message.header = &header;
	call_submit(&call);
	rig_turn(rig, 0);
	assert_true(call.is_in_flight);
	for (; n > 0; n--)
		assert_int_equal(read(fds[1], &byte, 1), 1);
	assert_int_equal(call_await(&call), 1);
	run_close(rig, fds[0]);
	run_close(rig, fds[1]);
}

static void bind_unix(int fd, struct sockaddr_un *address, socklen_t *len)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	*len = sizeof *address;
	assert_int_equal(bind(fd, (struct sockaddr *)address, sizeof address->sun_family), 0); /* the kernel chooses the name */
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, len), 0);
}

/* One receiver that is full says nothing of another. */
static void a_full_receiver_stops_nobody_else(void **state)
{
	struct rig *rig = rig_of(state);
	struct sockaddr_un addresses[2];
	char x = 'x';
	struct iovec vector = {&x, 1};
	struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
	struct call call;
	int sender = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), fds[2];

	for (int i = 0; i < 2; i++) {
		fds[i] = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		bind_unix(fds[i], &addresses[i], &header.msg_namelen);
	}
	for (int round = 0; round < 3; round++) { /* from the second on the engine may know the descriptor and hear of changes only */
		header.msg_name = &addresses[0];
		do {
			call_prepare(&call, rig, ZOK_OP_SENDMSG, sender);
			call.op.arg.message.header = &header;
			call.op.arg.message.flags = MSG_DONTWAIT;
		} while (call_run(&call) == 1);
		assert_int_equal(call.result, -EAGAIN);
		header.msg_name = &addresses[1];
		call_prepare(&call, rig, ZOK_OP_SENDMSG, sender);
		call.op.arg.message.header = &header;
		assert_int_equal(call_run(&call), 1);
	}
	run_close(rig, sender);
	run_close(rig, fds[0]);
	run_close(rig, fds[1]);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CONTRACT_TEST(each_once_with_its_sender),
		CONTRACT_TEST(empty_and_cut_ones_are_told),
		CONTRACT_TEST(without_a_buffer_it_is_a_shortage),
		CONTRACT_TEST(a_cancel_loses_nothing),
		CONTRACT_TEST(a_refusal_ends_it_and_it_can_go_on),
		CONTRACT_TEST(descriptors_and_rooms_too_small),
		CONTRACT_TEST(silent_messages_arrive),
		CONTRACT_TEST(who_may_not_wait_is_told),
		CONTRACT_TEST(a_full_receiver_stops_nobody_else),
	};

	return contract_main(argc, argv, "datagrams", tests, sizeof tests / sizeof *tests);
}
