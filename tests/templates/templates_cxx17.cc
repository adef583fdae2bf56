// The templates as C++17.
#include "tests/templates/templates.h"

int main()
{
	return use_templates();
}
