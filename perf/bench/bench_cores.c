#include "perf/bench/bench_cores.h"

#include "perf/bench/bench.h"
#include "zokio/zokio.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct round {
	double (*fn)(void *arg);
	void *arg;
	double figure;
};

static int round_main(void *arg)
{
	struct round *round = arg;

	round->figure = round->fn(round->arg);
	return 0;
}

double bench_on_two_cores(const char *stealing, double (*fn)(void *arg), void *arg)
{
	struct round round = {.fn = fn, .arg = arg};
	struct zok_options options = {.mode = "adaptive", .stealing = stealing};
	char cores[32];

	if (bench_cpu_count() < 2)
		return NAN;
	snprintf(cores, sizeof cores, "%d,%d", bench_pin(0), bench_pin(1));
	bench_unpin();
	options.cores = cores;
	return zok_run(&options, round_main, &round) == 0 ? round.figure : NAN;
}

double bench_go(const char *question)
{
	char command[4200], line[64] = "";
	double figure = NAN;
	FILE *go;

	if (BENCH_GO_PROGRAM[0] == '\0' || bench_cpu_count() < 2)
		return NAN;
	snprintf(command, sizeof command, "GOMAXPROCS=2 '%s' %s", BENCH_GO_PROGRAM, question);
	go = popen(command, "r");
	if (!go)
		return NAN;
	if (fgets(line, sizeof line, go))
		figure = atof(line);
	return pclose(go) == 0 ? figure : NAN;
}
