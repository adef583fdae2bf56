# ./dev demo: the relay in front of a redis-server, under an open load, on each engine in turn.
# Every process is a child of this script, stopped by its pid whichever way the script ends; redis keeps nothing and writes nowhere.
# shellcheck shell=bash

command_demo() {
    local rate=20000 seconds=20 connections=16
    while (($#)); do
        case $1 in
        --rate | --seconds | --connections)
            [[ ${2:-} =~ ^[1-9][0-9]{0,7}$ ]] || misuse "$1 wants a whole number above 0"
            local "${1#--}=$2"
            shift 2
            ;;
        *) misuse "'$1' is not an option; it takes --rate R, --seconds S and --connections N" ;;
        esac
    done
    need_packages build demo
    configure build --buildtype=release -Dtests=true
    compile build examples/relay tools/zok
    demo_prepare
    demo_choose_cpus
    demo_start_redis
    demo_choose_engines
    for engine in "${demo_engines[@]}"; do
        demo_engine "$engine"
    done
    demo_close
}

# --- processes ---

declare -A demo_pids=()

# start LOG COMMAND…: runs it in the background; its pid is in $started.
demo_start() {
    local log=$1
    shift
    "$@" </dev/null >"$log" 2>&1 &
    demo_own
}

# The same for a program that shows its own progress where somebody looks.
demo_start_shown() {
    if [[ ! -t 2 ]]; then
        demo_start "$@"
        return
    fi
    local log=$1
    shift
    "$@" </dev/null >"$log" &
    demo_own
}

demo_own() {
    started=$!
    demo_pids[$started]=1
}

# Asked of bash, which knows its own children: a pid alone may belong to somebody else by now.
demo_is_running() { [[ " $(jobs -rp | tr '\n' ' ')" == *" $1 "* ]]; }

# Asks it to end, and after three seconds ends it. It may end by itself at any moment, as at a terminal's SIGINT, which reaches all.
demo_stop() {
    local pid=$1 tries=60
    if demo_is_running "$pid"; then kill -TERM "$pid" 2>/dev/null || true; fi
    while demo_is_running "$pid" && ((tries-- > 0)); do sleep 0.05; done
    if demo_is_running "$pid" && kill -KILL "$pid" 2>/dev/null; then warn "process $pid did not end when asked, and was killed"; fi
    demo_wait "$pid" || true
}

# The exit code of a process that is ours no longer after this.
demo_wait() {
    local status=0
    wait "$1" 2>/dev/null || status=$?
    unset "demo_pids[$1]"
    return "$status"
}

demo_cleanup() {
    local status=$? pid
    trap '' INT TERM HUP
    demo_progress_end
    for pid in "${!demo_pids[@]}"; do demo_stop "$pid"; done
    [[ -z $demo_scratch ]] || rm -rf "$demo_scratch"
    exit "$status"
}

demo_prepare() {
    demo_scratch=''
    trap demo_cleanup EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    demo_scratch=$(mktemp -d)
    demo_folder=reports/demo-$(date +%Y%m%d-%H%M%S)
    mkdir -p "$demo_folder"
    read -r redis_port relay_port < <(python3 tools/dev/demo_report.py ports 2)
}

# Waits until something listens on a port of ours, as long as the process that should do it lives.
demo_await_port() {
    local name=$1 pid=$2 port=$3 log=$4 tries=200
    while ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
        demo_is_running "$pid" || { cat "$log" >&2; die "$name ended before it listened on port $port"; }
        ((tries-- > 0)) || { cat "$log" >&2; die "$name does not listen on port $port after 10 s"; }
        sleep 0.05
    done
}

# --- one line that tells how far it is ---

demo_progress() {
    if [[ -t 2 ]]; then
        printf '\r\033[K    %s' "$*" >&2
        is_progress_open=1
    elif ((SECONDS - ${progress_said:--9} >= 5)); then
        printf '    %s\n' "$*" >&2
        progress_said=$SECONDS
    fi
}

demo_progress_end() {
    [[ -z ${is_progress_open:-} ]] || printf '\r\033[K' >&2
    is_progress_open='' progress_said=''
}

# --- who runs where ---

# The relay has the first CPU, the load another. Redis has a third where there is one. On two it shares the relay's: the generator spins, so that its
# own wake-up is in no figure, and a redis beside it would run only when it is preempted, which the verdict would rightly call INVALID.
demo_choose_cpus() {
    local -a cpus
    read -ra cpus < <(python3 -c 'import os; print(*sorted(os.sched_getaffinity(0)))')
    relay_cpu=${cpus[0]}
    load_cpu=${cpus[1]:-${cpus[0]}}
    redis_cpu=${cpus[2]:-${cpus[0]}}
    relay_mode=adaptive
    [[ $redis_cpu != "$relay_cpu" ]] || relay_mode=park
    say "relay on CPU $relay_cpu ($relay_mode), load on CPU $load_cpu, redis on CPU $redis_cpu"
    if [[ $load_cpu == "$relay_cpu" ]]; then
        warn "there is one CPU only: relay, load and redis disturb each other, and the verdict will say so"
    elif [[ $redis_cpu == "$relay_cpu" ]]; then
        warn "there are two CPUs only: redis shares the relay's, so its work is in the relay's latency, on both engines alike"
    fi
}

demo_start_redis() {
    local log=$demo_folder/redis.log
    demo_start "$log" taskset -c "$redis_cpu" redis-server --port "$redis_port" --bind 127.0.0.1 --dir "$demo_scratch" --save '' \
        --appendonly no --daemonize no --pidfile "$demo_scratch/redis.pid"
    demo_await_port redis-server "$started" "$redis_port" "$log"
    say "redis-server $(redis-server --version | sed 's/.* v=\([0-9.]*\).*/\1/') on 127.0.0.1:$redis_port, without persistence"
}

demo_choose_engines() {
    local why
    demo_engines=(uring epoll)
    if ! why=$(python3 tools/dev/demo_report.py uring); then
        warn "io_uring is not to be had here: $why; the demo runs on epoll only"
        demo_engines=(epoll)
    fi
}

# --- one engine ---

demo_engine() {
    local engine=$1 log=$demo_folder/relay-$1.log relay address=tcp://127.0.0.1:$relay_port
    say "$engine: relay on 127.0.0.1:$relay_port, $rate requests a second for $seconds s over $connections connections"
    demo_start "$log" build/examples/relay --listen "$address" --to "tcp://127.0.0.1:$redis_port" --engine "$engine" --mode "$relay_mode" \
        --cores "$relay_cpu"
    relay=$started
    demo_await_port "the relay" "$relay" "$relay_port" "$log"
    demo_load "$engine" "$address"
    demo_redis_benchmark "$engine"
    demo_is_running "$relay" || { cat "$log" >&2; die "the relay ended under load"; }
    demo_stop "$relay"
}

demo_load() {
    local engine=$1 address=$2 run=$demo_folder/$1 status=0 began=$SECONDS
    demo_start_shown "$run.txt" build/tools/zok perf tcp --protocol redis-get --rate "$rate" --duration "${seconds}s" --connections "$connections" \
        --cpu "$load_cpu" --label "relay, $engine" --json "$run.json" --html "$run.html" --hgrm "$run.hgrm" --hlog "$run.hlog" "$address"
    while demo_is_running "$started"; do
        [[ -t 2 ]] || demo_progress "$engine: zok perf, $((SECONDS - began)) s of about $((seconds + 1))"
        sleep 0.2
    done
    [[ ! -t 2 ]] || is_progress_open=1
    demo_progress_end
    demo_wait "$started" || status=$?
    [[ -s $run.json ]] || { cat "$run.txt" >&2; die "zok perf ended with exit code $status"; }
}

demo_redis_benchmark() {
    local engine=$1 file=$demo_folder/redis-benchmark-$1.csv status=0
    demo_start "$file" taskset -c "$load_cpu" timeout 60 redis-benchmark -h 127.0.0.1 -p "$relay_port" -t set,get -n 50000 -c 50 --csv
    while demo_is_running "$started"; do
        demo_progress "$engine: redis-benchmark, a real client: 50,000 SET and GET each over 50 connections"
        sleep 0.2
    done
    demo_progress_end
    demo_wait "$started" || status=$?
    ((status == 0)) || { cat "$file" >&2; die "redis-benchmark through the relay ended with exit code $status"; }
}

demo_close() {
    local engine
    local -a results=()
    for engine in "${demo_engines[@]}"; do results+=("$demo_folder/$engine.json"); done
    build/tools/zok perf report --html "$demo_folder/report.html" "${results[@]}" >/dev/null || die "zok perf report failed"
    python3 tools/dev/demo_report.py table "$demo_folder" "${demo_engines[@]}"
    printf '\nreport     %s\n' "$demo_folder/report.html"
    for engine in "${demo_engines[@]}"; do printf 'histogram  %s\n' "$demo_folder/$engine.hgrm"; done
}
