/* The context of core/context.h for AAPCS64. */
#ifndef ZOK_CORE_CONTEXT_AARCH64_H
#define ZOK_CORE_CONTEXT_AARCH64_H

struct zok__context {
	void *sp;
	void *fp;
	void *ip;
};

/* The inline assembly counts on it. */
_Static_assert(offsetof(struct zok__context, sp) == 0 && offsetof(struct zok__context, fp) == 8 && offsetof(struct zok__context, ip) == 16,
	       "core/context_aarch64.h addresses the fields by number");

/* Where indirect branches must land (-mbranch-protection=bti), `bti j`, by number so that older assemblers take it; elsewhere nothing. */
#if defined(__ARM_FEATURE_BTI_DEFAULT)
#define ZOK__CONTEXT_LANDING "hint #36\n\t"
#else
#define ZOK__CONTEXT_LANDING ""
#endif

/* The predicate registers exist only where the compiler may use SVE. */
#if defined(__ARM_FEATURE_SVE)
#define ZOK__CONTEXT_CLOBBERS_WIDE , "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11", "p12", "p13", "p14", "p15"
#else
#define ZOK__CONTEXT_CLOBBERS_WIDE
#endif

/* In context_aarch64.c: takes arg and entry from the new stack. Never called, only branched to. */
void zok__context_start(void);

static inline void zok__context_init(struct zok__context *context, void *stack_base, size_t stack_size, void (*entry)(void *arg), void *arg)
{
	uintptr_t top = ((uintptr_t)stack_base + stack_size) & ~(uintptr_t)15;
	uintptr_t *words = (uintptr_t *)top - 4;

	assert(entry != NULL && stack_size >= 256);
	words[0] = (uintptr_t)arg;
	words[1] = (uintptr_t)entry;
	words[2] = 0;
	words[3] = 0;
	context->sp = words;
	context->fp = NULL;
	context->ip = (void *)(uintptr_t)zok__context_start;
}

/*
 * x29 is saved by hand, because it cannot be declared destroyed where it is the frame pointer. Of v8-v15 the ABI keeps only the low halves over
 * a call; here all of every vector register is destroyed. Return addresses signed by PAC stay good: sp, their modifier, is the same on resume.
 */
static inline __attribute__((always_inline)) void zok__context_switch(struct zok__context *from, struct zok__context *to)
{
	register struct zok__context *x0 __asm__("x0") = from;
	register struct zok__context *x1 __asm__("x1") = to;

	__asm__ volatile("adr x9, 1f\n\t"
			 "mov x10, sp\n\t"
			 "stp x10, x29, [x0]\n\t"
			 "str x9, [x0, #16]\n\t"
			 "ldp x10, x29, [x1]\n\t"
			 "ldr x9, [x1, #16]\n\t"
			 "mov sp, x10\n\t"
			 "br x9\n"
			 "1:\n\t" ZOK__CONTEXT_LANDING
			 : "+r"(x0), "+r"(x1)
			 :
			 : "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "x18",
			   "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x30", "v0", "v1", "v2", "v3", "v4", "v5",
			   "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21",
			   "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31", "cc", "memory" ZOK__CONTEXT_CLOBBERS_WIDE);
}

#endif
