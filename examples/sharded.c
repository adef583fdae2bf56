/* A service with a part on every core: each counts the words that hash to it, and all are added up at the end. No lock, no atomic. */
#include <stdio.h>
#include <string.h>
#include <zokio/zokio.h>

struct counter {
	uint64_t words, letters;
};

/* On the shard's core. */
static int count(void *shard, void *word)
{
	struct counter *counter = shard;

	counter->words++;
	counter->letters += strlen(word);
	return 0;
}

static int read_here(void *sharded, void *part)
{
	*(struct counter *)part = *(struct counter *)zok_sharded_local(sharded);
	return 0;
}

static void add(void *total, const void *part)
{
	((struct counter *)total)->words += ((const struct counter *)part)->words;
	((struct counter *)total)->letters += ((const struct counter *)part)->letters;
}

static int count_words(void *arg)
{
	static char words[][16] = {"cores", "share", "nothing", "and", "send", "each", "other", "messages"};
	struct zok_sharded *counters;
	struct counter total = {0};
	int rc = zok_sharded_start(&counters, &(struct zok_sharded_options){.name = "counters", .size = sizeof(struct counter)});

	if (rc < 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < sizeof words / sizeof *words; i++)
		rc = zok_sharded_on(counters, words[i][0] % zok_core_count(), count, words[i]);
	if (rc == 0)
		rc = zok_map_reduce(read_here, add, counters, &total, sizeof total);
	zok_sharded_stop(counters);
	printf("%llu words, %llu letters, on %u cores\n", (unsigned long long)total.words, (unsigned long long)total.letters,
	       zok_core_count());
	return rc;
}

int main(void)
{
	return zok_run(&(struct zok_options){.cores = "all"}, count_words, NULL) < 0;
}
