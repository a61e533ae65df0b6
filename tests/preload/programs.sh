#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Programs of others on the preload library behave as without it, with their heap in the file.
#
# Usage: programs.sh PROGRAM TBB-PROGRAM, where PROGRAM is redis, forks, sqlite, python, processes,
# gcc, tbb, git or stress.
#
# PROGRAMS_LARGE=1 makes each job larger: a million keys, and so on.

. "$(dirname "$0")/lib.sh"

tbb=$2
large=${PROGRAMS_LARGE:-0}
MIB=$((1 << 20))

# need COMMAND PACKAGE: skips the test without the command.
need()
{
    command -v "$1" >/dev/null || skip "no $1 here (Debian: $2)"
}

# size SMALL LARGE: prints one of the two.
size()
{
    if [ "$large" = 1 ]; then echo "$2"; else echo "$1"; fi
}

# in_file MIB [FILE]: checks that the process of these statistics held at least so much of the file.
in_file()
{
    local stats=${2:-$work/stats}
    local peak
    peak=$(number "$stats" file_space_peak)
    [ "$peak" -ge $(($1 * MIB)) ] || fail "only $peak bytes were in the file: $(cat "$stats")"
    [ "$(number "$stats" fallbacks)" = 0 ] || fail "not all was in the file: $(cat "$stats")"
}

# same MIB COMMAND...: checks that the command prints the same on the library, with so much of its
# heap in the file.
same()
{
    local mib=$1
    shift
    "$@" >"$work/without" 2>&1 || { cat "$work/without"; fail "$* does not even run on libc"; }
    preloaded MEMKIND_PRELOAD_STATS="$work/stats" "$@" >"$work/with" 2>&1 ||
        { cat "$work/with"; fail "$*"; }
    diff "$work/without" "$work/with" || fail "$*: differs (<: on libc)"
    in_file "$mib"
}

# -- redis -----------------------------------------------------------------------------------------

# Sends commands through a socket of its own, without a port.
redis()
{
    redis-cli -s "$work/socket" "$@"
}

# start_redis [NAME=VALUE...]: starts redis with these variables, which decide whether the library
# is used.
start_redis()
{
    env "$@" redis-server --port 0 --unixsocket "$work/socket" --dir "$work" --save '' \
        --enable-debug-command yes --daemonize no >"$work/log" 2>&1 &
    server=$!
    for ((i = 0; i < 300; i++)); do
        [ "$(redis ping 2>/dev/null)" != PONG ] || return 0
        kill -0 $server 2>/dev/null || break
        sleep 0.1
    done
    cat "$work/log"
    fail "redis-server does not start"
}

stop_redis()
{
    redis shutdown nosave >/dev/null 2>&1 || true
    wait $server || true
}

# fill_redis KEYS: writes values of many sizes, the same each time, and overwrites the first half.
fill_redis()
{
    redis-benchmark -s "$work/socket" -q -n "$1" -r "$1" -d 300 -P 16 -t set,lpush,hset \
        >"$work/benchmark" 2>&1 ||
        { cat "$work/benchmark"; fail "redis-benchmark"; }
    redis eval "for i = 1, $1 do redis.call('set', 'key' .. i, string.rep('x' .. i, i % 100)) end
        for i = 1, $1 / 2 do redis.call('append', 'key' .. i, 'more') end" 0 >/dev/null
}

# save_redis: runs BGSAVE to its end, for half an hour at most.
save_redis()
{
    redis bgsave >/dev/null
    wait_for_save
}

wait_for_save()
{
    for ((i = 0; i < 18000; i++)); do
        [ "$(redis info persistence | tr -d '\r' | sed -n 's/^rdb_bgsave_in_progress://p')" = 0 ] &&
            break
        sleep 0.1
    done
    redis info persistence | grep -q 'rdb_last_bgsave_status:ok' ||
        { cat "$work/log"; fail "BGSAVE"; }
}

test_redis()
{
    need redis-server redis-server
    need redis-benchmark redis-tools
    local keys digest
    keys=$(size 20000 1000000)
    trap 'kill $server 2>/dev/null || true; wait; rm -rf "$work"' EXIT
    start_redis LD_PRELOAD="$library" MEMKIND_PRELOAD_DIR="$work/pmem" MEMKIND_PRELOAD_STRICT=1 \
        MEMKIND_PRELOAD_STATS="$work/stats"
    fill_redis "$keys"
    # The kernel's count of the heap in the file.
    awk -v dir="$work/pmem" \
        '/^[0-9a-f]+-[0-9a-f]+ / { file = index($0, dir) } /^Rss:/ && file { sum += $2 }
        END { exit sum < 4096 }' /proc/$server/smaps || fail "the heap is not in the file"
    save_redis
    digest=$(redis debug digest)
    stop_redis
    in_file 8
    # On both heaps. The server is linked with an allocator of its own, which the library must
    # replace.
    start_redis LD_PRELOAD="$library" MEMKIND_PRELOAD_DIR="$work/pmem" MEMKIND_PRELOAD_STRICT=1 \
        MEMKIND_PRELOAD_STATS="$work/stats" MEMKIND_PRELOAD_RATIO=1:4
    [ "$(redis debug digest)" = "$digest" ] ||
        fail "with a ratio it reads something else from what was saved"
    fill_redis "$keys"
    digest=$(redis debug digest)
    save_redis
    stop_redis
    in_file 8
    start_redis A=1
    [ "$(redis debug digest)" = "$digest" ] ||
        fail "another redis-server reads something else from what was saved"
    [ "$(redis dbsize)" -ge "$keys" ] || fail "too few keys"
    stop_redis
}

# -- Programs whose children go on without exec: these need a frozen heap -------------------------

# dram: prints the KiB of private memory of redis-server.
dram()
{
    awk '/^RssAnon:/ { print $2 }' /proc/$server/status
}

# wait_for_dram KIB: waits until redis-server, which has several threads, has returned to the file
# what it wrote while the child had it; for 30 s at most.
wait_for_dram()
{
    for ((i = 0; i < 300; i++)); do
        [ "$(dram)" -gt "$1" ] || return 0
        sleep 0.1
    done
    fail "$(dram) KiB are in DRAM, more than $1"
}

# save_while_writing KEYS: the saved data are those at the beginning of BGSAVE, whatever is written
# meanwhile.
save_while_writing()
{
    local digest before
    before=$(dram)
    redis config set rdb-key-save-delay 20 >/dev/null
    digest=$(redis debug digest)
    redis bgsave >/dev/null
    redis eval "for i = 1, $1 do redis.call('set', 'key' .. i, string.rep('later', i % 70))
        redis.call('del', 'key' .. i + $1 / 2) end" 0 >/dev/null
    redis info persistence | grep -q 'rdb_bgsave_in_progress:1' ||
        fail "it was saved before anything was written"
    [ "$(dram)" -gt $((before + 2048)) ] || fail "what is written is not in DRAM"
    wait_for_save
    wait_for_dram $((before + before / 20 + 512))
    [ "$(redis debug digest)" != "$digest" ] || fail "nothing was written"
    stop_redis
    start_redis A=1
    [ "$(redis debug digest)" = "$digest" ] || fail "what was saved is not what was there"
    stop_redis
}

test_forks()
{
    need redis-server redis-server
    same 0 bash \
        -c 'for i in {1..20}; do
                (x=$(echo $i | tr 1 2); declare -A a; a[$x]=$i; echo "${!a[@]}" | cat)
            done'
    same 1 /usr/bin/python3 -c "
import multiprocessing, os
shared = [str(i) * 20 for i in range(10000)]
def work(i):
    shared.sort(key=lambda text: text[::-1])
    del shared[::2]
    return sum(map(len, shared)) + i
# One child for each number, however slowly some start.
with multiprocessing.get_context('fork').Pool(3, maxtasksperchild=1) as pool:
    print(pool.map(work, range(3), 1), sum(map(len, shared)), shared[77])"
    trap 'kill $server 2>/dev/null || true; wait; rm -rf "$work"' EXIT
    start_redis LD_PRELOAD="$library" MEMKIND_PRELOAD_DIR="$work/pmem" MEMKIND_PRELOAD_STRICT=1
    fill_redis "$(size 10000 1000000)"
    save_while_writing "$(size 10000 1000000)"
}

# -- Python's multiprocessing ----------------------------------------------------------------------

# Processes that are forked from one with a large heap, which goes on changing it.
test_processes()
{
    [ -x /usr/bin/python3 ] || skip "no /usr/bin/python3"
    PYTHONMALLOC=malloc PYTHONHASHSEED=0 same 8 /usr/bin/python3 -c "
import hashlib, multiprocessing, random
random.seed(7)
data = {i: [random.random(), 't' * (i % 200)] for i in range($(size 100000 2000000))}
def digest(keys):
    text = hashlib.sha256()
    for key in keys:
        before = data[key]
        data[key] = before + [len(before)]
        text.update(repr(data[key]).encode())
        data[key] = before
    return text.hexdigest()
context = multiprocessing.get_context('fork')
for round in range(3):
    keys = [random.sample(sorted(data), 5000) for i in range(8)]
    with context.Pool(4) as pool:
        results = pool.map_async(digest, keys)
        for i in random.sample(sorted(data), 20000):
            data[i] = [round, 'new' * (i % 50)]
        print(results.get())
    before = {i: repr(value) for i, value in list(data.items())[:10000]}
    child = context.Process(target=data.clear)
    child.start()
    child.join()
    assert child.exitcode == 0
    assert all(repr(data[i]) == text for i, text in before.items())
print(digest(sorted(data)))
"
}

# -- The others ------------------------------------------------------------------------------------

test_sqlite()
{
    need sqlite3 sqlite3
    same 8 sqlite3 :memory: "
        create table t(a integer primary key, b text, c real);
        with recursive n(x) as
            (select 1 union all select x + 1 from n where x < $(size 100000 3000000))
            insert into t select x, 'text ' || x * 7919 % 100003, x / 3.0 from n;
        create index i on t(b);
        select count(*), sum(length(b)), sum(c) from t;
        select b, count(*) from t group by b order by 2 desc, 1 limit 5;
        delete from t where a % 3 = 0;
        vacuum;
        select count(*), max(b) from t where b between 'text 2' and 'text 5';"
}

test_python()
{
    # Debian's: another python3 on PATH may have been built with another allocator.
    [ -x /usr/bin/python3 ] || skip "no /usr/bin/python3"
    # Python's allocator requests only large pieces from malloc; without it, every object.
    for allocator in pymalloc malloc; do
        PYTHONMALLOC=$allocator PYTHONHASHSEED=0 same 8 /usr/bin/python3 -c "
import collections, gc, hashlib, json, random, threading
random.seed(5)
words = collections.Counter(str(random.randrange(1 << 14)) * random.randrange(1, 9)
                            for i in range($(size 100000 3000000)))
tree = {str(i): [list(range(i % 50)), {'n': i, 't': 'x' * (i % 300)}]
        for i in range($(size 20000 500000))}
text = json.dumps([words.most_common(1000), tree])
assert json.loads(text)[1] == tree
def work(out, seed):
    own = random.Random(seed)
    blocks = repr([bytes(own.randrange(2000)) for i in range(3000)])
    out.append(hashlib.sha256(blocks.encode()).hexdigest())
outs = [[] for i in range(4)]
threads = [threading.Thread(target=work, args=(out, i)) for i, out in enumerate(outs)]
for thread in threads: thread.start()
for thread in threads: thread.join()
del tree; gc.collect()
print(len(words), hashlib.sha256(text.encode()).hexdigest(), outs)
"
    done
    [ "$large" = 1 ] || return 0
    # CPython's own tests, if installed (Debian: libpython3-testsuite).
    if /usr/bin/python3 -c 'import test.test_list' 2>/dev/null; then
        preloaded /usr/bin/python3 -m test test_list test_dict test_set test_bytes test_threading \
            >"$work/out" 2>&1 ||
            { cat "$work/out"; fail "python's own tests"; }
    fi
}

test_gcc()
{
    # A large source of the library, or several with PROGRAMS_LARGE.
    local sources=("$MEMKIND_SOURCE_DIR/src/space/space.c") source
    local flags=(-std=gnu11 -D_GNU_SOURCE -O2 -g "-I$MEMKIND_SOURCE_DIR/src" \
        "-I$MEMKIND_SOURCE_DIR/include" -fPIC)
    need gcc gcc
    [ "$large" = 0 ] ||
        mapfile -t sources \
        < <(find "$MEMKIND_SOURCE_DIR"/src/{util,os,space,store,preload} -name '*.c')
    for source in "${sources[@]}"; do
        gcc "${flags[@]}" -c "$source" -o "$work/without.o" || fail "gcc does not compile $source"
        preloaded MEMKIND_PRELOAD_STATS="$work/stats.%p" gcc "${flags[@]}" -c "$source" \
            -o "$work/with.o" ||
            fail "gcc and $source"
        cmp "$work/without.o" "$work/with.o" || fail "gcc makes something else of $source"
    done
    # The driver, the compiler proper and the assembler had a file each. Most of cc1's memory lies
    # in its own mappings.
    for program in gcc cc1 as; do
        grep -lE "\"program\": \"([a-z0-9_]*-)*$program(-[0-9]+)?\"" "$work"/stats.* >/dev/null ||
            fail "no $program"
    done
    in_file 2 "$(grep -l '"program": "cc1"' "$work"/stats.* | head -n 1)"
}

test_tbb()
{
    [ -n "$tbb" ] || skip "no TBB here (Debian: libtbb-dev)"
    same 8 "$tbb" "$(size 300000 10000000)"
}

test_git()
{
    need git git
    local repository=$MEMKIND_SOURCE_DIR
    git -C "$repository" rev-parse HEAD >/dev/null 2>&1 || skip "the source is no repository"
    same 1 git -C "$repository" log --stat -M -C --all
    # Both repack everything, and the packs hold the same objects.
    git clone -q --bare "$repository" "$work/clone" 2>"$work/err" ||
        { cat "$work/err"; fail "git clone"; }
    preloaded git -C "$work/clone" -c pack.threads=2 repack -q -a -d -f || fail "git repack"
    preloaded git -C "$work/clone" gc -q --aggressive --prune=now || fail "git gc"
    git -C "$work/clone" fsck --strict >"$work/out" 2>&1 || { cat "$work/out"; fail "git fsck"; }
    same 1 git -C "$work/clone" log -p --reverse
}

test_stress()
{
    need stress-ng stress-ng
    # stress-ng checks what it wrote. For blocks that are never touched, libc reserves addresses and
    # the library allocates memory.
    preloaded stress-ng --malloc 2 --malloc-bytes 256K --malloc-max 4096 --malloc-touch \
        --malloc-pthreads 2 --malloc-ops "$(size 20000 1000000)" --verify \
        --temp-path "$work" --oom-avoid --no-rand-seed >"$work/out" 2>&1 ||
        { cat "$work/out"; fail "stress-ng"; }
    grep -qE 'passed: 2|successful run' "$work/out" ||
        { cat "$work/out"; fail "stress-ng does not say that it passed"; }
}

"test_$1"
[ -z "$(ls -A "$work/pmem")" ] || fail "left behind: $(ls -A "$work/pmem")"
