#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Report: programs that call jemalloc's own functions crashed, or got the figures of an unused heap:
# redis's INFO on the preload library.

. "$(dirname "$0")/../preload/lib.sh"

jemalloc=$(ldconfig -p 2>/dev/null | sed -n "s/^.*libjemalloc.so.2 .*=> //p" | head -n 1)
calls=$STRANGERS/jemalloc_calls

preloaded "$calls" || fail "on the library"
preloaded MEMKIND_IDLE_THREAD=0 "$calls" || fail "on the library, without a thread of its own"
if [ -n "$jemalloc" ]; then
    LD_PRELOAD=$library:$jemalloc MEMKIND_PRELOAD_DIR=$work/pmem "$calls" || fail "before jemalloc"
fi

command -v redis-server >/dev/null && command -v redis-cli >/dev/null ||
    { echo "no redis here"; exit 0; }
ldd "$(command -v redis-server)" >"$work/libraries"
grep -q libjemalloc "$work/libraries" || { echo "redis is not linked with libjemalloc"; exit 0; }

redis()
{
    redis-cli -s "$work/redis" "$@"
}

# info NAME: prints a number of INFO memory.
info()
{
    redis info memory | tr -d '\r' | sed -n "s/^$1://p"
}

cd "$work"
# A socket in a private folder: no other process of the machine can connect. Started without a shell
# function: $! would be the function's shell.
env LD_PRELOAD="$library" MEMKIND_PRELOAD_DIR="$work/pmem" MEMKIND_PRELOAD_STRICT=1 redis-server \
    --port 0 --unixsocket "$work/redis" --save '' --enable-debug-command local >"$work/redis.log" \
    2>&1 &
server=$!
trap 'kill $server 2>/dev/null || true; wait; rm -rf "$work"' EXIT
for ((i = 0; i < 600; i++)); do
    [ "$(redis ping 2>/dev/null)" = PONG ] && break
    kill -0 $server 2>/dev/null || { cat "$work/redis.log"; fail "redis does not start"; }
    sleep 0.1
done
# comes_true FUNCTION: waits a minute at most, since redis queries its allocator rarely.
comes_true()
{
    local i
    for ((i = 0; i < 300; i++)); do
        "$1" && return
        sleep 0.2
    done
    redis info memory
    fail "$1"
}

redis_and_allocator_agree()
{
    used=$(info used_memory)
    allocated=$(info allocator_allocated)
    [ "$used" -gt $((20 << 20)) ] && [ "$allocated" -gt $((used / 100 * 95)) ] &&
        [ "$allocated" -lt $((used / 100 * 150)) ] &&
        [ "$(info allocator_active)" -ge "$allocated" ] &&
        [ "$(info allocator_resident)" -ge "$allocated" ]
}

# Sparse pages remain, which redis's defragmentation would search for.
fragmentation_is_seen()
{
    [ "$(info allocator_allocated)" -lt $((allocated / 2)) ] &&
        [ "$(info allocator_active)" -gt $(($(info allocator_allocated) * 14 / 10)) ]
}

all_is_given_back()
{
    [ "$(info allocator_resident)" -lt $((allocated / 2)) ]
}

redis debug populate 40000 key 500 >/dev/null
comes_true redis_and_allocator_agree
# Deletes seven of eight keys, evenly.
redis eval "for i = 0, 39999 do if i % 8 ~= 0 then redis.call('del', 'key:' .. i) end end" 0 \
    >/dev/null
redis memory purge >/dev/null
comes_true fragmentation_is_seen
echo "allocated $(info allocator_allocated), active $(info allocator_active)," \
    "ratio $(info allocator_frag_ratio)"
redis flushall >/dev/null
redis memory purge >/dev/null
comes_true all_is_given_back
redis memory malloc-stats >"$work/report"
grep -q 'jemalloc statistics' "$work/report" || fail "no report"
redis shutdown nosave >/dev/null 2>&1 || true
wait $server || fail "redis: $(tail -n 5 "$work/redis.log")"
