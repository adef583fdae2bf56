/* The context of core/context.h for the System V ABI of x86-64. */
#ifndef ZOK_CORE_CONTEXT_X86_64_H
#define ZOK_CORE_CONTEXT_X86_64_H

struct zok__context {
	void *sp;
	void *fp;
	void *ip;
};

/* The inline assembly counts on it. */
_Static_assert(offsetof(struct zok__context, sp) == 0 && offsetof(struct zok__context, fp) == 8 && offsetof(struct zok__context, ip) == 16,
	       "core/context_x86_64.h addresses the fields by number");

/* Where indirect jumps must land (-fcf-protection=branch), a landing pad; elsewhere nothing. */
#if defined(__CET__) && (__CET__ & 1)
#define ZOK__CONTEXT_LANDING "endbr64\n\t"
#else
#define ZOK__CONTEXT_LANDING ""
#endif

/* The registers that exist only where the compiler may use AVX-512. */
#if defined(__AVX512F__)
#define ZOK__CONTEXT_CLOBBERS_WIDE                                                                                                      \
	, "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", \
		"xmm30", "xmm31", "k1", "k2", "k3", "k4", "k5", "k6", "k7"
#else
#define ZOK__CONTEXT_CLOBBERS_WIDE
#endif

/* In context_x86_64.c: takes arg and entry from the new stack. Never called, only jumped to. */
void zok__context_start(void);

static inline void zok__context_init(struct zok__context *context, void *stack_base, size_t stack_size, void (*entry)(void *arg), void *arg)
{
	uintptr_t top = ((uintptr_t)stack_base + stack_size) & ~(uintptr_t)15;
	uintptr_t *words = (uintptr_t *)top - 4;

	assert(entry != NULL && stack_size >= 256);
	words[0] = (uintptr_t)arg;
	words[1] = (uintptr_t)entry;
	/* Unwinders that scan rather than read CFI stop at a return address of zero. */
	words[2] = 0;
	words[3] = 0;
	context->sp = words;
	context->fp = NULL;
	context->ip = (void *)(uintptr_t)zok__context_start;
}

/*
 * rbp is saved by hand, because it cannot be declared destroyed where it is the frame pointer. The operands sit in fixed registers, which are
 * outputs too: whoever resumes us leaves its own in them.
 */
static inline __attribute__((always_inline)) void zok__context_switch(struct zok__context *from, struct zok__context *to)
{
	__asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
			 "movq %%rsp, 0(%%rdi)\n\t"
			 "movq %%rbp, 8(%%rdi)\n\t"
			 "movq %%rax, 16(%%rdi)\n\t"
			 "movq 0(%%rsi), %%rsp\n\t"
			 "movq 8(%%rsi), %%rbp\n\t"
			 "jmpq *16(%%rsi)\n"
			 "1:\n\t" ZOK__CONTEXT_LANDING
			 : "+D"(from), "+S"(to)
			 :
			 : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm0", "xmm1", "xmm2", "xmm3",
			   "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "mm0",
			   "mm1", "mm2", "mm3", "mm4", "mm5", "mm6", "mm7", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)",
			   "st(7)", "cc", "memory" ZOK__CONTEXT_CLOBBERS_WIDE);
}

#endif
