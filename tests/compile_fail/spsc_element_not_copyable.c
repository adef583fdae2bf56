/* Elements are copied as bytes: in C++ a type that copies itself in its own way must not be one. */
#include "zokio/spsc.h"

struct order {
	order(const order &other);
};

/* error in C++: trivially copyable; right: ZOK_SPSC(orders, struct order *, 1024); */
ZOK_SPSC(orders, struct order, 1024);
