/* The whole public API of Zokio. Include this, or one of the headers that it names. */
#ifndef ZOKIO_ZOKIO_H
#define ZOKIO_ZOKIO_H

#include "zokio/base.h"
#include "zokio/log.h"

#endif
