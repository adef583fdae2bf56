/* Out of descriptors: a connect that waits for one, in line and no longer than its scope; the door's spare that keeps it from waiting for ever. */
#include "net/shortage.h"
#include "tests/unit/net/rig.h"

#include <sys/resource.h>

/* ---- A process with nothing left ---- */

static struct rlimit before;

/* As many as are open now and `more`: the numbers may have gaps, so those are what is counted. */
static void leave_descriptors(unsigned more)
{
	struct rlimit limit;
	int fd = 0;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	for (; fcntl(fd, F_GETFD) >= 0 || more-- > 0; fd++)
		;
	limit.rlim_cur = (rlim_t)fd;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void give_back_descriptors(void)
{
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static const struct zok_connect_options waits = {.waits_for_descriptor = true};

/* A listener that the test holds itself: nothing of net/ accepts there. */
static int raw_door(char address[ZOK_ADDRESS_SIZE])
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int len = snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "zokio-shortage-%d", (int)getpid());

	snprintf(address, ZOK_ADDRESS_SIZE, "unix:@%s", name.sun_path + 1);
	assert_int_equal(bind(fd, (struct sockaddr *)(void *)&name, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)),
			 0);
	assert_int_equal(listen(fd, 64), 0);
	return fd;
}

struct attempt {
	const char *address;
	struct zok_socket *peer;
	int result;
	unsigned *place; /* counts those that have come through */
	unsigned came_as;
};

static int connects(void *arg)
{
	struct attempt *attempt = arg;

	attempt->result = zok_connect(&attempt->peer, attempt->address, &waits);
	attempt->came_as = ++*attempt->place;
	return 0;
}

static uint64_t shortages(void)
{
	return zok__core()->counters->stats.fd_shortages;
}

RIG_CASE(without_being_told_to_wait_it_fails)
{
	char address[ZOK_ADDRESS_SIZE];
	int raw = raw_door(address), rc;
	struct zok_socket *peer = NULL;

	leave_descriptors(0);
	rc = zok_connect(&peer, address, NULL);
	give_back_descriptors();
	assert_int_equal(rc, -EMFILE);
	assert_int_equal(shortages(), 1);
	close(raw);
	return 0;
}

/* What a close frees goes to the one who has waited longest; who comes later does not overtake. */
RIG_CASE(it_waits_for_a_close_in_line)
{
	char address[ZOK_ADDRESS_SIZE];
	int raw = raw_door(address), extra = dup(raw);
	struct pair held = rig_pair();
	struct zok_scope *scope = zok_scope_open(NULL);
	unsigned place = 0;
	struct attempt attempts[3];

	for (int i = 0; i < 3; i++)
		attempts[i] = (struct attempt){.address = address, .place = &place};
	leave_descriptors(0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(zok_spawn(scope, connects, &attempts[i], NULL), 0);
	rig_settle();
	assert_int_equal(place, 0);
	close(extra);
	assert_int_equal(zok_spawn(scope, connects, &attempts[2], NULL), 0);
	while (place < 1)
		zok_yield();
	assert_int_equal(attempts[0].came_as, 1);
	rig_settle();
	assert_int_equal(place, 1);
	assert_int_equal(zok_close(held.socket), 0);
	while (place < 2)
		zok_yield();
	give_back_descriptors();
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(shortages(), 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(attempts[i].result, 0);
		assert_int_equal(attempts[i].came_as, i + 1);
		assert_int_equal(zok_close(attempts[i].peer), 0);
	}
	close(held.raw);
	close(raw);
	return 0;
}

/* A descriptor that was freed behind the library's back is found by looking again. */
RIG_CASE(it_finds_what_others_have_freed)
{
	char address[ZOK_ADDRESS_SIZE];
	int raw = raw_door(address), extra = dup(raw);
	struct zok_scope *scope = zok_scope_open(NULL);
	unsigned place = 0;
	struct attempt attempt = {.address = address, .place = &place};

	leave_descriptors(0);
	assert_int_equal(zok_spawn(scope, connects, &attempt, NULL), 0);
	rig_settle();
	assert_int_equal(place, 0);
	close(extra);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	give_back_descriptors();
	assert_int_equal(attempt.result, 0);
	assert_int_equal(zok_close(attempt.peer), 0);
	close(raw);
	return 0;
}

RIG_CASE(it_waits_no_longer_than_its_scope)
{
	char address[ZOK_ADDRESS_SIZE];
	int raw = raw_door(address), rc;
	struct zok_socket *peer = NULL;
	struct zok_scope *scope;

	leave_descriptors(0);
	for (int i = 0; i < 2; i++) {
		scope = rig_short_scope();
		rc = zok_connect(&peer, address, &waits);
		zok_scope_close(scope, 0);
		assert_int_equal(rc, -ETIMEDOUT);
		assert_false(zok__shortage_is_on(zok__net()));
	}
	give_back_descriptors();
	assert_null(peer);
	close(raw);
	return 0;
}

/* The clients of a door hold all there is, and none of them would ever end: the door's spare joins one of them. */
RIG_CASE(the_spare_of_a_door_goes_to_who_waits)
{
	char address[ZOK_ADDRESS_SIZE], up[ZOK_ADDRESS_SIZE];
	int raw = raw_door(up);
	struct zok_socket *door = rig_door(address), *client, *peer = NULL, *late;
	struct zok_scope *scope;

	assert_int_equal(zok_connect(&client, address, NULL), 0);
	leave_descriptors(1);
	assert_int_equal(zok_accept(door, &late), 0); /* takes the last; the multishot stays armed */
	scope = zok_scope_open(&(struct zok_scope_options){.timeout_ns = 10 * ZOK_S});
	assert_int_equal(zok_connect(&peer, up, &waits), 0);
	zok_scope_close(scope, 0);
	assert_true(zok__door_of(door)->spare < 0);
	assert_int_equal(zok_close(late), 0);
	give_back_descriptors();
	assert_int_equal(zok_close(client), 0);
	assert_int_equal(zok_close(peer), 0);
	/* It has the spare again before it lets the next one in. */
	assert_int_equal(zok_connect(&client, address, NULL), 0);
	assert_int_equal(zok_accept(door, &late), 0);
	assert_true(zok__door_of(door)->spare >= 0);
	assert_int_equal(zok_close(late), 0);
	assert_int_equal(zok_close(client), 0);
	assert_int_equal(zok_close(door), 0);
	close(raw);
	return 0;
}

/* The door is not the one who takes what is freed. */
RIG_CASE(a_door_rests_while_somebody_waits)
{
	char address[ZOK_ADDRESS_SIZE], up[ZOK_ADDRESS_SIZE];
	int raw = raw_door(up);
	struct zok_socket *door = rig_door(address), *clients[2], *server;
	struct zok_scope *scope = zok_scope_open(NULL);
	unsigned place = 0;
	struct attempt attempts[2] = {{.address = up, .place = &place}, {.address = up, .place = &place}};

	assert_int_equal(zok_connect(&clients[0], address, NULL), 0);
	assert_int_equal(zok_accept(door, &server), 0);
	leave_descriptors(0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(zok_spawn(scope, connects, &attempts[i], NULL), 0);
	while (place < 1)
		zok_yield(); /* by the spare */
	assert_true(zok__shortage_is_on(zok__net()));
	rig_settle();
	assert_int_not_equal(door->recv_state, ZOK__RECV_ARMED);
	assert_int_equal(zok_close(server), 0);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	give_back_descriptors();
	assert_int_equal(zok_connect(&clients[1], address, NULL), 0);
	assert_int_equal(zok_accept(door, &server), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(attempts[i].result, 0);
		assert_int_equal(zok_close(attempts[i].peer), 0);
		assert_int_equal(zok_close(clients[i]), 0);
	}
	assert_int_equal(zok_close(server), 0);
	assert_int_equal(zok_close(door), 0);
	close(raw);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {RIG_ROW(without_being_told_to_wait_it_fails) RIG_ROW(it_waits_for_a_close_in_line)
						   RIG_ROW(it_finds_what_others_have_freed) RIG_ROW(it_waits_no_longer_than_its_scope)
							   RIG_ROW(the_spare_of_a_door_goes_to_who_waits)
								   RIG_ROW(a_door_rests_while_somebody_waits)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
