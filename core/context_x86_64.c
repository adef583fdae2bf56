#include "core/context.h"

/*
 * The outermost frame of every fiber. `.cfi_undefined rip` and a frame pointer of zero end the backtrace here. The pops leave rsp at a multiple
 * of 16, as a call needs it. ud2: the entry returned.
 */
__asm__(".text\n\t"
	".p2align 4\n\t"
	".globl zok__context_start\n\t"
	".hidden zok__context_start\n\t"
	".type zok__context_start, @function\n"
	"zok__context_start:\n\t"
	".cfi_startproc\n\t"
	".cfi_undefined rip\n\t"
	"endbr64\n\t"
	"popq %rdi\n\t"
	"popq %rax\n\t"
	"xorl %ebp, %ebp\n\t"
	"callq *%rax\n\t"
	"ud2\n\t"
	".cfi_endproc\n\t"
	".size zok__context_start, . - zok__context_start");
