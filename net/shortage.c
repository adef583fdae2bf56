#include "net/shortage.h"

#include <errno.h>

/* Descriptors that others have freed, cores or the program itself, are told by nobody: so one looks again, less and less often. */
#define RETRY_FIRST_NS (10 * ZOK_MS)
#define RETRY_LAST_NS  (100 * ZOK_MS)

/* ---- The spare ---- */

int zok__shortage_take_spare(struct zok__door *door)
{
	int fd;

	if (door->spare >= 0)
		return 0;
	fd = zok__sys_socket(AF_UNIX);
	if (fd < 0)
		return fd;
	door->spare = fd;
	return 0;
}

void zok__shortage_drop_spare(struct zok__door *door)
{
	if (door->spare >= 0)
		zok__sys_close(door->spare);
	door->spare = -1;
}

/* Only while no door accepts: the kernel would give it to the next client. */
static int open_in_place_of_a_spare(struct zok__net *net, int family)
{
	struct zok__door *rich = NULL;

	zok_list_for_each(link, &net->doors) {
		struct zok__door *door = ZOK_CONTAINER_OF(link, struct zok__door, among);

		if (zok__op_is_in_flight(&door->socket.recv_op))
			return -EMFILE;
		if (door->spare >= 0)
			rich = door;
	}
	if (!rich)
		return -EMFILE;
	zok__shortage_drop_spare(rich);
	return zok__sys_socket(family);
}

/* ---- Those who wait ---- */

static void look_again_later(struct zok__shortage *shortage)
{
	uint64_t next_ns = shortage->retry_ns == 0 ? RETRY_FIRST_NS : shortage->retry_ns * 2;

	if (shortage->retry.future.state == ZOK_FUTURE_PENDING)
		return;
	shortage->retry_ns = next_ns < RETRY_LAST_NS ? next_ns : RETRY_LAST_NS;
	zok_timer_prepare(&shortage->retry, shortage->retry_ns);
	zok_future_poll(&shortage->retry.future, &shortage->on_retry);
}

static void retry(struct zok_waker *waker)
{
	zok__shortage_feed(ZOK_CONTAINER_OF(waker, struct zok__net, shortage.on_retry));
}

void zok__shortage_init(struct zok__net *net)
{
	zok_list_init(&net->doors);
	zok_list_init(&net->shortage.waiting);
	net->shortage.on_retry.wake = retry;
	net->shortage.retry.future.state = ZOK_FUTURE_READY;
}

/* Nobody waits any longer. */
static void end(struct zok__net *net)
{
	net->shortage.retry_ns = 0;
	zok_future_cancel(&net->shortage.retry.future);
	zok_list_for_each(link, &net->doors)
		zok__accept_resume(ZOK_CONTAINER_OF(link, struct zok__door, among));
}

static int open_for(struct zok__net *net, const struct zok_connect *connect)
{
	int family = connect->address.ss_family, fd = zok__sys_socket(family);

	return zok__shortage_is(fd) ? open_in_place_of_a_spare(net, family) : fd;
}

/* Who goes on may close at once, and so come back here: the list is read anew each time. */
void zok__shortage_feed(struct zok__net *net)
{
	struct zok__shortage *shortage = &net->shortage;

	if (!zok__shortage_is_on(net) || shortage->is_feeding)
		return;
	shortage->is_feeding = true;
	while (zok__shortage_is_on(net)) {
		struct zok_connect *connect = ZOK_CONTAINER_OF(shortage->waiting.next, struct zok_connect, waiting);
		int fd = open_for(net, connect);

		if (zok__shortage_is(fd))
			break;
		zok_list_remove(&connect->waiting);
		connect->is_waiting = false;
		zok__connect_go_on(connect, fd);
	}
	shortage->is_feeding = false;
	if (zok__shortage_is_on(net))
		look_again_later(shortage);
	else
		end(net);
}

void zok__shortage_wait(struct zok__net *net, struct zok_connect *connect)
{
	connect->op.future.state = ZOK_FUTURE_PENDING;
	zok_list_push_back(&net->shortage.waiting, &connect->waiting);
	connect->is_waiting = true;
	zok_list_for_each(link, &net->doors)
		zok__accept_rest(ZOK_CONTAINER_OF(link, struct zok__door, among));
	zok__shortage_feed(net);
}

void zok__shortage_leave(struct zok__net *net, struct zok_connect *connect)
{
	zok_list_remove(&connect->waiting);
	connect->is_waiting = false;
	if (!zok__shortage_is_on(net))
		end(net);
}
