/* The whole public API of Zokio. Include this, or one of the headers that it names. */
#ifndef ZOKIO_ZOKIO_H
#define ZOKIO_ZOKIO_H

#include "zokio/allocators.h"
#include "zokio/async.h"
#include "zokio/base.h"
#include "zokio/cores.h"
#include "zokio/deque.h"
#include "zokio/dgram.h"
#include "zokio/drain.h"
#include "zokio/export.h"
#include "zokio/fault.h"
#include "zokio/fs.h"
#include "zokio/future.h"
#include "zokio/latency.h"
#include "zokio/list.h"
#include "zokio/log.h"
#include "zokio/memory.h"
#include "zokio/mpmc.h"
#include "zokio/mpsc.h"
#include "zokio/net.h"
#include "zokio/op.h"
#include "zokio/runtime.h"
#include "zokio/serve.h"
#include "zokio/shared_pool.h"
#include "zokio/spsc.h"
#include "zokio/stats.h"
#include "zokio/sync.h"
#include "zokio/task.h"
#include "zokio/timer.h"
#include "zokio/timer_entry.h"

#endif
