/* Groups, of IPv4 on the loopback interface and of IPv6 on a virtual one in a namespace of the test's own: joined and left, of all senders and of one, and no cross-talk. */
#include "tests/unit/net/dgram_rig.h"

#include <sched.h>

static bool has_card; /* the loopback interface has no IPv6 multicast */

static struct zok_dgram_socket *listener_on(const char *address)
{
	return dgram_open(address, &(struct zok_dgram_options){.reuse_address = true});
}

static void port_of(const struct zok_dgram_socket *socket, struct zok_endpoint *group, const char *text)
{
	struct zok_endpoint self = dgram_local(socket);

	assert_int_equal(zok_endpoint_parse(group, text, NULL, 0), 0);
	if (self.address.ss_family == AF_INET)
		((struct sockaddr_in *)&group->address)->sin_port = ((struct sockaddr_in *)&self.address)->sin_port;
	else
		((struct sockaddr_in6 *)&group->address)->sin6_port = ((struct sockaddr_in6 *)&self.address)->sin6_port;
}

/* Multicast by loopback arrives within the send: what is not there then does not come. */
static bool hears(struct zok_dgram_socket *socket, char what)
{
	struct zok_scope *scope;
	char byte = 0;
	ssize_t n;

	rig_settle();
	scope = rig_short_scope();
	n = zok_dgram_recv(socket, &byte, 1, NULL);
	zok_scope_close(scope, 0);
	assert_true(n == -ETIMEDOUT || byte == what);
	return n == 1;
}

static void check_group(const char *any, const char *from, const char *group, const char *other, const char *source, const char *card)
{
	struct zok_dgram_socket *listener = listener_on(any);
	struct zok_dgram_socket *sender = dgram_open(from, &(struct zok_dgram_options){.multicast_interface = card});
	struct zok_endpoint to;
	char text[96];

	snprintf(text, sizeof text, strchr(group, ':') ? "udp://[%s]:1" : "udp://%s:1", group);
	port_of(listener, &to, text);
	assert_int_equal(zok_dgram_join(listener, other, NULL, card), 0);
	assert_int_equal(zok_dgram_send(sender, "a", 1, &to), 1);
	assert_false(hears(listener, 'a'));
	assert_int_equal(zok_dgram_join(listener, group, NULL, card), 0);
	assert_int_equal(zok_dgram_join(listener, group, NULL, card), -EADDRINUSE);
	assert_int_equal(zok_dgram_send(sender, "b", 1, &to), 1);
	assert_true(hears(listener, 'b'));
	assert_int_equal(zok_dgram_leave(listener, group, NULL, card), 0);
	assert_int_equal(zok_dgram_leave(listener, group, NULL, card), -EADDRNOTAVAIL);
	assert_int_equal(zok_dgram_send(sender, "c", 1, &to), 1);
	assert_false(hears(listener, 'c'));
	assert_int_equal(zok_dgram_join(listener, group, source, card), 0);
	assert_int_equal(zok_dgram_send(sender, "d", 1, &to), 1);
	assert_true(hears(listener, 'd'));
	assert_int_equal(zok_dgram_leave(listener, group, source, card), 0);
	zok_dgram_close(listener);
	zok_dgram_close(sender);
}

RIG_CASE(ipv4_groups)
{
	check_group("udp://0.0.0.0:0", ANY_PORT, "239.255.1.2", "239.255.1.3", "127.0.0.1", "lo");
	return 0;
}

RIG_CASE(ipv6_groups)
{
	if (has_card)
		check_group("udp://[::]:0", "udp://[fd00::1]:0", "ff05::1234", "ff05::1235", "fd00::1", "zokio0");
	return 0;
}

/* Two groups on one port: each socket hears its own only, though both are bound to all addresses. */
RIG_CASE(no_cross_talk)
{
	struct zok_dgram_socket *first = listener_on("udp://0.0.0.0:0"), *second;
	struct zok_dgram_socket *sender = dgram_open(ANY_PORT, &(struct zok_dgram_options){.multicast_interface = "lo"});
	struct zok_endpoint self = dgram_local(first), to;
	char text[ZOK_ADDRESS_SIZE];

	zok_endpoint_format(&self, text, sizeof text);
	second = listener_on(text);
	assert_int_equal(zok_dgram_join(first, "239.255.2.1", NULL, "lo"), 0);
	assert_int_equal(zok_dgram_join(second, "239.255.2.2", NULL, "lo"), 0);
	port_of(first, &to, "udp://239.255.2.1:1");
	assert_int_equal(zok_dgram_send(sender, "a", 1, &to), 1);
	assert_true(hears(first, 'a'));
	assert_false(hears(second, 'a'));
	zok_dgram_close(first);
	zok_dgram_close(second);
	zok_dgram_close(sender);
	return 0;
}

RIG_CASE(what_is_no_group_is_refused)
{
	struct zok_dgram_socket *socket = listener_on("udp://0.0.0.0:0"), *box = dgram_open(dgram_name(0), NULL);

	assert_int_equal(zok_dgram_join(socket, "10.1.2.3", NULL, NULL), -EINVAL);
	assert_int_equal(zok_dgram_join(socket, "ff02::1", NULL, NULL), -EINVAL);
	assert_int_equal(zok_dgram_join(socket, "group", NULL, NULL), -EINVAL);
	assert_int_equal(zok_dgram_join(socket, NULL, NULL, NULL), -EINVAL);
	assert_int_equal(zok_dgram_join(socket, "239.1.2.3", "here", NULL), -EINVAL);
	assert_int_equal(zok_dgram_join(socket, "239.1.2.3", NULL, "nosuchcard"), -ENODEV);
	assert_int_equal(zok_dgram_join(socket, "239.1.2.3", NULL, "a name that is too long for a card"), -ENODEV);
	assert_int_equal(zok_dgram_join(box, "239.1.2.3", NULL, NULL), -EINVAL);
	zok_dgram_close(socket);
	zok_dgram_close(box);
	return 0;
}

/* A namespace of our own, as root or as one who may make user namespaces; where neither is so, IPv6 is left out and IPv4 uses the machine's loopback. */
static bool make_card(void)
{
	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return false;
	return system("ip link set lo up && ip link add zokio0 type veth peer name zokio1 && ip link set zokio1 up && ip addr add "
		      "fd00::1/64 dev zokio0 nodad && "
		      "ip link set zokio0 up") == 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {RIG_ROW(ipv4_groups) RIG_ROW(ipv6_groups) RIG_ROW(no_cross_talk)
						   RIG_ROW(what_is_no_group_is_refused)};

	has_card = make_card();
	if (!has_card)
		print_message("IPv6 groups are left out: no network namespace with a virtual interface is to be had here\n");
	return cmocka_run_group_tests_name("net/multicast", tests, NULL, NULL);
}
