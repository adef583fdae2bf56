#include "zokio/runtime.h"

#include <zok_config.h> /* made by meson in the build folder */

uint32_t zok_version(void)
{
	return ZOK_VERSION_MAJOR << 16 | ZOK_VERSION_MINOR << 8 | ZOK_VERSION_PATCH;
}

const char *zok_version_text(void)
{
	return ZOK_VERSION_TEXT;
}
