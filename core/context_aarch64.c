#include "core/context.h"

/*
 * The outermost frame of every fiber. `.cfi_undefined x30` and a frame pointer of zero end the backtrace here. hint #38 is `bti jc`: a branch or
 * a call may land here. brk: the entry returned.
 */
__asm__(".text\n\t"
	".p2align 4\n\t"
	".globl zok__context_start\n\t"
	".hidden zok__context_start\n\t"
	".type zok__context_start, %function\n"
	"zok__context_start:\n\t"
	".cfi_startproc\n\t"
	".cfi_undefined x30\n\t"
	"hint #38\n\t"
	"ldp x0, x9, [sp], #16\n\t"
	"mov x29, #0\n\t"
	"mov x30, #0\n\t"
	"blr x9\n\t"
	"brk #1\n\t"
	".cfi_endproc\n\t"
	".size zok__context_start, . - zok__context_start");
