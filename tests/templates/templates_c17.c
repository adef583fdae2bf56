/* The templates as C17. */
#include "tests/templates/templates.h"

int main(void)
{
	return use_templates();
}
